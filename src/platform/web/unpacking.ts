/**
 * Unpacking in a browser: gzip by the browser itself, the rest as anywhere; into OPFS, where the image is then read from.
 * Runs in a dedicated worker.
 */
import { decodeBzip2Stream } from '../../codecs/bzip2/stream.js';
import { damagedStream, readableOf, type StreamDecoder } from '../../codecs/stream.js';
import { decodeXzStream } from '../../codecs/xz.js';
import { decodeZstdStream } from '../../codecs/zstd.js';
import { ImageError } from '../../errors.js';
import { HEAD_LENGTH, packingOf } from '../../unpack/packing.js';
import { spill } from '../../unpack/spill.js';
import { UNPACK_LIMIT } from '../../unpack/unpacking.js';
import type { Control } from './engine.js';
import { createWebKernels } from './kernels.js';
import { PickedFile } from './picked-file.js';
import type { OnStep, UnpackRequest } from './protocol.js';
import { everySoOften } from './reports.js';
import { openTarget } from './target.js';

const DECODERS: ReadonlyMap<string, StreamDecoder> = new Map([
  ['gzip', decodeGzip],
  ['xz', decodeXzStream],
  ['bzip2', decodeBzip2Stream],
  ['zstd', decodeZstdStream],
]);

/** Unpacks one file into another, an empty one of OPFS, which goes if that fails. `onStep` is told of packed bytes. */
export async function runUnpacking(
  { name, content, target }: UnpackRequest,
  onStep: OnStep,
  { traffic, signal }: Control,
): Promise<null> {
  const source = await PickedFile.open(content, name, traffic);
  const head = new Uint8Array(Math.min(source.size, HEAD_LENGTH));
  await source.read(0, head);
  const decoder = DECODERS.get(packingOf(head) ?? '');
  if (decoder === undefined) throw new ImageError('invalid', 'The file is not compressed');
  const kernels = await createWebKernels({ workers: 0 });
  const { store, discard, remove } = await openTarget(target, name);
  const step = everySoOften(onStep);
  const counted: StreamDecoder = async function* (packed) {
    for await (const piece of decoder(packed)) {
      step(Math.min(traffic.meter.read, source.size), source.size);
      yield piece;
    }
  };
  try {
    await spill(source, { store, room: () => null }, { decoder: counted, kernels, limit: UNPACK_LIMIT, signal });
    await store.close();
  } catch (error) {
    discard();
    await store.close();
    await remove();
    throw error;
  } finally {
    await kernels.close();
    await source.close();
  }
  return null;
}

async function* decodeGzip(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decompressed = readableOf(packed).pipeThrough(new DecompressionStream('gzip') as TransformStream);
  const reader = (decompressed as ReadableStream<Uint8Array>).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw damagedStream('gzip', error);
  } finally {
    await reader.cancel().catch(() => {});
  }
}
