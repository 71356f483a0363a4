/** Reading the disk from its chunks. */

import { decodeBzip2 } from '../../codecs/bzip2/bzip2.js';
import { decodeXz } from '../../codecs/xz.js';
import { corrupt, ImageError } from '../../errors.js';
import type { Extent, Image, ImageDetails } from '../../image/image.js';
import { PackedClusters, type Unpacker } from '../../image/packed.js';
import { appendExtent } from '../../image/stretches.js';
import type { Codec, Kernels, Unpack } from '../../kernels/kernels.js';
import { gather, type MaybePromise } from '../../maybe.js';
import type { ByteSource } from '../../storage/storage.js';
import { type Chunk, isZero } from './chunks.js';
import { decodeAdc } from './codecs/adc.js';
import { decodeLzfse } from './codecs/lzfse/lzfse.js';
import { SECTOR, TYPE } from './layout.js';

/** One answer tells of so many extents at most. */
const EXTENTS_AT_ONCE = 4096;

/** How chunks are decompressed, by their type. */
const CODECS: ReadonlyMap<number, Codec | Unpacker> = new Map<number, Codec | Unpacker>([
  [TYPE.zlib, 'zlib'],
  [TYPE.adc, each(decodeAdc)],
  [TYPE.bzip2, each(decodeBzip2)],
  [TYPE.lzfse, each(decodeLzfse)],
  [TYPE.lzma, unpackXz],
]);

/** Why the disk cannot be read; null: it can. */
export function unreadableBecause(chunks: readonly Chunk[]): ImageError | null {
  const odd = chunks.find((chunk) => !isZero(chunk) && chunk.type !== TYPE.raw && !CODECS.has(chunk.type));
  if (odd === undefined) return null;
  return new ImageError('unsupported', `UDIF chunks of type 0x${odd.type.toString(16)} are not supported`);
}

export class DmgImage implements Image {
  readonly format = 'dmg';
  readonly clusterSize = SECTOR;
  readonly backing = null;
  readonly snapshots = [];
  readonly unreadable: ImageError | null;
  readonly #packed = new Map<number, PackedClusters>();

  /**
   * @param chunks in the order of the disk
   * @param size of the guest's disk in bytes
   */
  constructor(
    private readonly source: ByteSource,
    private readonly chunks: readonly Chunk[],
    readonly size: number,
    kernels: Kernels,
  ) {
    this.unreadable = unreadableBecause(chunks);
    const largest = chunks.reduce(
      (most, chunk) => (isZero(chunk) ? most : Math.max(most, chunk.end - chunk.start)),
      SECTOR,
    );
    for (const [type, codec] of CODECS) this.#packed.set(type, new PackedClusters(source, kernels, codec, largest));
  }

  extents(start: number, length: number): Extent[] {
    const end = start + length;
    const found: Extent[] = [];
    let at = start;
    for (let index = this.#indexAt(start); at < end && found.length < EXTENTS_AT_ONCE; ) {
      const chunk = this.chunks[index];
      const isThere = chunk !== undefined && chunk.start <= at;
      const stop = Math.min(end, (isThere ? chunk.end : chunk?.start) ?? end);
      appendExtent(found, isThere ? extentOf(chunk, at, stop) : missing(at, stop));
      at = stop;
      if (isThere) index++;
    }
    return found;
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (this.unreadable) throw this.unreadable;
    const end = offset + into.length;
    if (end > this.size) throw new ImageError('io', 'Input/output error', { offset });
    return gather((work) => {
      let at = offset;
      for (let index = this.#indexAt(offset); at < end; index++) {
        const chunk = this.chunks[index];
        if (chunk === undefined || chunk.start > at)
          throw corrupt(`No chunk of the UDIF image holds the disk's byte ${at}`, { offset: at });
        const stop = Math.min(end, chunk.end);
        work.add(this.#readChunk(chunk, at - chunk.start, into.subarray(at - offset, stop - offset)));
        at = stop;
      }
    });
  }

  details(): ImageDetails {
    return { dirty: null };
  }

  close(): Promise<void> {
    return this.source.close();
  }

  #readChunk(chunk: Chunk, skip: number, into: Uint8Array): MaybePromise<void> {
    const { type, start, end, host, length } = chunk;
    if (isZero(chunk)) {
      into.fill(0);
      return;
    }
    if (host + length > this.source.size)
      throw corrupt(`The UDIF chunk at offset ${host} ends beyond the end of the file`, { offset: host });
    if (type !== TYPE.raw)
      return this.#packed.get(type)!.read([{ hostOffset: host, packedLength: length, size: end - start, skip, into }]);
    if (skip + into.length > length) throw corrupt(`The UDIF chunk at offset ${host} is too short`, { offset: host });
    return this.source.read(host + skip, into);
  }

  /** Index of the first chunk that ends behind `offset`. */
  #indexAt(offset: number): number {
    let low = 0;
    let high = this.chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.chunks[middle]!.end <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function extentOf(chunk: Chunk, start: number, stop: number): Extent {
  const isPlain = chunk.type === TYPE.raw;
  return {
    start,
    length: stop - start,
    kind: isZero(chunk) ? 'zero' : 'data',
    compressed: !isPlain && !isZero(chunk),
    hostOffset: isPlain ? chunk.host + start - chunk.start : null,
    depth: 0,
  };
}

/** A stretch without a chunk: reading it will tell. */
function missing(start: number, stop: number): Extent {
  return { start, length: stop - start, kind: 'data', compressed: false, hostOffset: null, depth: 0 };
}

/** Chunks that are called LZMA hold XZ streams. One at a time: a decoder takes memory. */
async function unpackXz(batch: readonly Unpack[]): Promise<void> {
  for (const { packed, into } of batch) await decodeXz(packed, into);
}

function each(decode: (packed: Uint8Array, into: Uint8Array) => void): Unpacker {
  return (batch) => {
    for (const { packed, into } of batch) decode(packed, into);
  };
}
