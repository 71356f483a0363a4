/** New sparse extents: the header, the descriptor's place, and two grain directories with all of their tables. */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockWriter } from '../../image/blocks/block-writer.js';
import { U32_LE, writeTable } from '../../image/blocks/entry-table.js';
import type { Kernels } from '../../kernels/kernels.js';
import { setLength } from '../../storage/length.js';
import type { ByteStore } from '../../storage/storage.js';
import { COMPRESSION_DEFLATE, FLAG, HEADER, type Header, LIMITS, MAGIC, NEWLINES, SECTOR } from './layout.js';
import { GrainMap } from './map.js';
import { tableMemory } from './table-memory.js';

export const GRAIN = 128 * SECTOR;
export const ENTRIES_PER_TABLE = 512;
const TABLE_SECTORS = (ENTRIES_PER_TABLE * U32_LE.size) / SECTOR;
export const DESCRIPTOR = { offset: SECTOR, length: LIMITS.embeddedDescriptor } as const;

export interface SparseRequest {
  /** Bytes of disk. */
  size: number;
  zeroGrains: boolean;
  /** Whoever fills it will write compressed grains. */
  compressed: boolean;
  hasBacking: boolean;
  flush: boolean;
  kernels: Kernels;
  /** Extents of the disk. */
  count: number;
  /** The descriptor to put into the file at the end. Absent: it is elsewhere. */
  descriptor?(): Uint8Array;
}

/** Makes an extent; it is not valid before the writer has finished. Throws `unsupported` for one too large. */
export async function newSparse(store: ByteStore, request: SparseRequest): Promise<BlockWriter> {
  const { size, flush, kernels, hasBacking, descriptor, count, zeroGrains } = request;
  const header = headerFor(request);
  const start = Number(header.overhead) * SECTOR;
  await setLength(store, start);
  if (!store.readsZero) await store.zero(0, start);
  const directoryEntries = Math.ceil(size / (GRAIN * ENTRIES_PER_TABLE));
  const [redundantDirectory, directory] = [header.redundantDirectory, header.directory].map(
    (sector) => Number(sector) * SECTOR,
  ) as [number, number];
  for (const offset of [redundantDirectory, directory]) await writeDirectory(store, offset, directoryEntries);
  const space = new AppendSpace(start);
  const shape = {
    size,
    grainSize: GRAIN,
    entriesPerTable: ENTRIES_PER_TABLE,
    directory,
    directoryEntries,
    redundantDirectory,
    zeroGrains,
    packed: null,
    readOnly: null,
  };
  return new BlockWriter({
    store,
    kernels,
    map: new GrainMap(store, shape, { sink: store, space }, tableMemory(count)),
    size,
    encoding: null,
    hasBacking,
    flush,
    async complete() {
      if (store.readsZero || store.size < space.end) await store.truncate(space.end);
      if (descriptor !== undefined) await writeDescriptor(store, descriptor());
      await writeHeader(store, header);
    },
  });
}

/** Writes a descriptor into its place in a sparse extent. Throws `no-space`. */
export async function writeDescriptor(
  store: ByteStore,
  bytes: Uint8Array,
  place: { offset: number; length: number } = DESCRIPTOR,
): Promise<void> {
  if (bytes.length > place.length)
    throw new ImageError('no-space', 'The descriptor is too long for its place in the file');
  const padded = new Uint8Array(place.length);
  padded.set(bytes);
  await store.write(place.offset, padded);
}

/** Writes the sector that makes the file an extent. */
export async function writeHeader(store: ByteStore, header: Header, offset = 0): Promise<void> {
  const bytes = new Uint8Array(SECTOR);
  HEADER.write(bytes, header);
  await store.write(offset, bytes);
}

/** The entries lead to the tables that follow. */
async function writeDirectory(store: ByteStore, offset: number, entries: number): Promise<void> {
  const first = (offset + roundUp(entries * U32_LE.size, SECTOR)) / SECTOR;
  await writeTable(store, offset, entries, U32_LE, (index) => first + index * TABLE_SECTORS);
}

function headerFor({ size, zeroGrains, compressed }: SparseRequest): Header {
  const tables = Math.ceil(size / (GRAIN * ENTRIES_PER_TABLE));
  const sectors = Math.ceil((tables * U32_LE.size) / SECTOR) + tables * TABLE_SECTORS;
  const redundantDirectory = (DESCRIPTOR.offset + DESCRIPTOR.length) / SECTOR;
  const overhead = roundUp(redundantDirectory + 2 * sectors, GRAIN / SECTOR);
  if (overhead > 0xffff_ffff || tables > LIMITS.directoryEntries)
    throw new ImageError('unsupported', 'Disk size is too large', {
      cause: new ImageError('unsupported', 'File too large'),
    });
  return {
    ...commonHeader(size),
    version: compressed ? 3 : zeroGrains ? 2 : 1,
    flags: FLAG.newlines | FLAG.redundantDirectory | flagsFor(compressed, zeroGrains),
    redundantDirectory: BigInt(redundantDirectory),
    directory: BigInt(redundantDirectory + sectors),
    overhead: BigInt(overhead),
    compression: compressed ? COMPRESSION_DEFLATE : 0,
  };
}

/** The flags of extents with these features. */
export function flagsFor(compressed: boolean, zeroGrains: boolean): number {
  return (compressed ? FLAG.compressed | FLAG.markers : 0) | (zeroGrains ? FLAG.zeroGrains : 0);
}

/** What the headers of all new extents have in common. */
export function commonHeader(size: number): Header {
  return {
    ...HEADER.read(new Uint8Array(HEADER.size)),
    magic: MAGIC,
    capacity: BigInt(size / SECTOR),
    grainSize: BigInt(GRAIN / SECTOR),
    descriptorOffset: BigInt(DESCRIPTOR.offset / SECTOR),
    descriptorSize: BigInt(DESCRIPTOR.length / SECTOR),
    entriesPerTable: ENTRIES_PER_TABLE,
    newlines: NEWLINES,
  };
}
