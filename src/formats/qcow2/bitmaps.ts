/**
 * Persistent dirty bitmaps.
 *
 * Specification: QEMU, docs/interop/qcow2, "Bitmaps". A bitmap marks the granules of the guest's disk that were written
 * since some point in time. Bit i of the bitmap is granule i; bits are numbered from the least significant bit of each
 * byte on. The data lies in clusters that a table lists; an entry without a cluster stands for all zeros or all ones.
 */
import { roundUp, viewOf } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import type { BitmapInfo, BitmapStretch } from '../../image/image.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import { clusterSizeOf, type QcowHeader } from './header.js';
import { BITMAP_ENTRY, BITMAP_FLAG, DIRTY_TRACKING, ENTRY_SIZE, hostOffsetOf, LIMITS } from './layout.js';

/** An entry of the directory. */
export interface Bitmap extends BitmapInfo {
  tableOffset: number;
  /** Entries. */
  tableSize: number;
}

const utf8 = new TextDecoder();

/** Reads the bitmap directory; empty if the image has none. Throws `corrupt`, worded as `qemu-img` does. */
export async function readBitmaps(source: ByteSource, header: QcowHeader): Promise<Bitmap[]> {
  const extension = header.extensions.bitmaps;
  if (extension === null) return [];
  const { directoryOffset, directorySize, count } = extension;
  if (directorySize === 0) throw corrupt('Requested bitmap directory size is zero');
  if (directoryOffset + directorySize > source.size) throw corrupt('Failed to read bitmap directory');
  const directory = new Uint8Array(directorySize);
  await source.read(directoryOffset, directory);
  const bitmaps: Bitmap[] = [];
  let at = 0;
  while (at < directory.length) {
    if (at + BITMAP_ENTRY.size > directory.length) throw corrupt('Broken bitmap directory');
    if (bitmaps.length === count) throw corrupt('More bitmaps found than specified in header extension');
    const entry = BITMAP_ENTRY.read(directory, at);
    const nameStart = at + BITMAP_ENTRY.size + entry.extraDataSize;
    const next = roundUp(nameStart + entry.nameLength, 8);
    if (next > directory.length) throw corrupt('Broken bitmap directory');
    if (entry.extraDataSize !== 0) throw corrupt('Bitmap extra data is not supported');
    const name = utf8.decode(directory.subarray(nameStart, nameStart + entry.nameLength));
    bitmaps.push(checkedBitmap(name, entry, header));
    at = next;
  }
  if (bitmaps.length < count) throw corrupt('Less bitmaps found than specified in header extension');
  return bitmaps;
}

function checkedBitmap(name: string, entry: ReturnType<typeof BITMAP_ENTRY.read>, header: QcowHeader): Bitmap {
  const clusterSize = clusterSizeOf(header);
  const inUse = (entry.flags & BITMAP_FLAG.inUse) !== 0;
  const offset = entry.tableOffset <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(entry.tableOffset) : 0;
  const dataBytes = entry.tableSize * clusterSize;
  const isSound =
    offset !== 0 &&
    offset % clusterSize === 0 &&
    entry.tableSize !== 0 &&
    entry.tableSize <= LIMITS.bitmapTableEntries &&
    dataBytes <= LIMITS.bitmapBytes &&
    entry.granularityBits >= LIMITS.minGranularityBits &&
    entry.granularityBits <= LIMITS.maxGranularityBits &&
    (entry.flags & ~(BITMAP_FLAG.inUse | BITMAP_FLAG.auto)) === 0 &&
    entry.nameLength <= LIMITS.bitmapName &&
    entry.type === DIRTY_TRACKING &&
    // A bitmap that was not saved correctly may also have missed a change of the disk's size.
    (inUse || header.size <= dataBytes * 8 * 2 ** entry.granularityBits);
  if (!isSound) throw corrupt(`Bitmap '${name}' doesn't satisfy the constraints`);
  return {
    name,
    granularity: 2 ** entry.granularityBits,
    inUse,
    auto: (entry.flags & BITMAP_FLAG.auto) !== 0,
    tableOffset: offset,
    tableSize: entry.tableSize,
  };
}

/** The content of a bitmap, ascending, one stretch a cluster. Memory: the table (at most 8 MiB) and one cluster. */
export async function* bitmapStretches(
  source: ByteSource,
  header: QcowHeader,
  bitmap: Bitmap,
): AsyncGenerator<BitmapStretch> {
  const clusterSize = clusterSizeOf(header);
  const perCluster = clusterSize * 8 * bitmap.granularity;
  if (Math.ceil(header.size / perCluster) !== bitmap.tableSize) throw unreadable(bitmap);
  const table = await readTable(source, bitmap, clusterSize);
  const cluster = new Uint8Array(clusterSize);
  for (let index = 0; index < bitmap.tableSize; index++) {
    const start = index * perCluster;
    const length = Math.min(perCluster, header.size - start);
    const low = table.getUint32(index * ENTRY_SIZE + 4);
    const offset = hostOffsetOf(table.getUint32(index * ENTRY_SIZE), low);
    if (offset === 0) yield { start, length, bits: (low & 1) === 0 ? 'zeros' : 'ones' };
    else {
      if (offset >= source.size) throw unreadable(bitmap);
      await readPadded(source, offset, cluster);
      yield { start, length, bits: cluster.subarray(0, Math.ceil(length / bitmap.granularity / 8)) };
    }
  }
}

async function readTable(source: ByteSource, bitmap: Bitmap, clusterSize: number): Promise<DataView> {
  const damaged = () =>
    corrupt(`Could not read bitmap_table table from image for bitmap '${bitmap.name}': Invalid argument`);
  const length = bitmap.tableSize * ENTRY_SIZE;
  if (bitmap.tableOffset + length > source.size) throw damaged();
  const bytes = new Uint8Array(length);
  await source.read(bitmap.tableOffset, bytes);
  const table = viewOf(bytes);
  for (let at = 0; at < length; at += ENTRY_SIZE) {
    if (!isSoundEntry(table.getUint32(at), table.getUint32(at + 4), clusterSize)) throw damaged();
  }
  return table;
}

/** Bits 1 to 8 and 56 to 63 are reserved; so is bit 0 beside an offset. */
export function isSoundEntry(high: number, low: number, clusterSize: number): boolean {
  if ((high & 0xff000000) !== 0 || (low & 0x1fe) !== 0) return false;
  const offset = hostOffsetOf(high, low);
  return offset === 0 || ((low & 1) === 0 && offset % clusterSize === 0);
}

function unreadable(bitmap: Bitmap): Error {
  return corrupt(`Could not read bitmap '${bitmap.name}' from image: Invalid argument`);
}
