/** What a new image would take of its storage. */
import { isPending } from '../maybe.js';
import type { BitmapInfo, Image } from './image.js';
import type { OptionValues } from './options.js';

export interface MeasureRequest {
  /** Guest disk in bytes; not more than 2^63 - 1. */
  size: bigint;
  /** Values by the names of the driver's `createOptions`, defaults not filled in. */
  options: OptionValues;
  /** What the new image is to hold: a disk, and its bitmaps if its format can have any; null: nothing is known. */
  source: { disk: Image; bitmaps: readonly BitmapInfo[] | undefined } | null;
}

/** In bytes. */
export interface Measurement {
  /** For the content that the source has. */
  required: bigint;
  /** For any content. */
  fullyAllocated: bigint;
  /** For the source's bitmaps, in addition; null: they cannot be kept. */
  bitmaps: bigint | null;
}

/** Bytes of those clusters of a disk that hold data. */
export async function dataInClusters(disk: Image, clusterSize: number): Promise<number> {
  let bytes = 0;
  for (let at = 0; at < disk.size; ) {
    const answer = disk.extents(at, disk.size - at);
    for (const { kind, start, length } of isPending(answer) ? await answer : answer) {
      const end = start + length;
      if (end <= at) continue;
      const from = Math.max(start, at);
      at = end;
      if (kind !== 'data') continue;
      // To the end of the cluster: what else is in it does not count again.
      at = Math.ceil(end / clusterSize) * clusterSize;
      bytes += at - Math.floor(from / clusterSize) * clusterSize;
    }
  }
  return bytes;
}
