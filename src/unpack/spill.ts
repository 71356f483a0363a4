/** Unpacking a stream into temporary storage: no memory by its size, no space for its zeros. */
import type { StreamDecoder } from '../codecs/stream.js';
import { ImageError, throwIfAborted } from '../errors.js';
import type { Kernels } from '../kernels/kernels.js';
import type { ByteSource } from '../storage/storage.js';
import type { Scratch } from './unpacking.js';

/** Bytes that are read at once. */
const PIECE = 256 * 1024;
/** Zeros of so many bytes become holes. */
const GRANULE = 4096;
/** The disk is left with so much room: 256 MiB. It is looked at after every 64 MiB. */
const RESERVE = 256 * 1024 * 1024;
const LOOK_EVERY = 64 * 1024 * 1024;

export interface SpillRequest {
  decoder: StreamDecoder;
  kernels: Kernels;
  /** Most bytes that may come of it. */
  limit: number;
  signal?: AbortSignal | undefined;
}

/** Throws `corrupt`, `no-space`, `aborted`; `invalid` beyond the limit. */
export async function spill(source: ByteSource, scratch: Scratch, request: SpillRequest): Promise<void> {
  const { decoder, kernels, limit, signal } = request;
  const { store } = scratch;
  let at = 0;
  let written = 0;
  let looked = Number.NEGATIVE_INFINITY;
  for await (const bytes of decoder(piecesOf(source))) {
    throwIfAborted(signal);
    if (at + bytes.length > limit)
      throw new ImageError('invalid', `It unpacks to more than ${limit} bytes; use --unpack-limit to allow more`);
    if (written - looked >= LOOK_EVERY) {
      looked = written;
      const room = scratch.room();
      if (room !== null && room < RESERVE) throw new ImageError('no-space', 'No space left for unpacking');
    }
    let isData = true;
    let from = 0;
    for (const length of kernels.split(bytes, GRANULE, GRANULE)) {
      if (isData && length > 0) {
        await store.write(at + from, bytes.subarray(from, from + length));
        written += length;
      }
      from += length;
      isData = !isData;
    }
    at += bytes.length;
  }
  await store.truncate(at);
}

async function* piecesOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < source.size; at += PIECE) {
    const piece = new Uint8Array(Math.min(PIECE, source.size - at));
    await source.read(at, piece);
    yield piece;
  }
}
