/**
 * Metadata: what the disk is.
 *
 * Specification: [MS-VHDX], section 2.6.
 */
import { isPowerOfTwo, readU64, viewOf } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import { guidText } from '../../image/guid.js';
import type { ByteSource } from '../../storage/storage.js';
import {
  FILE_FLAGS,
  FILE_PARAMETERS,
  LIMITS,
  METADATA,
  METADATA_ENTRY,
  METADATA_ENTRY_SIZE,
  METADATA_FLAGS,
  METADATA_SIGNATURE,
  METADATA_TABLE,
  METADATA_TABLE_SIZE,
  MIB,
  MOST_METADATA,
  SECTORS_PER_CHUNK,
} from './layout.js';
import { type Parent, parseParent } from './parent.js';
import type { Region } from './regions.js';

/** Sizes in bytes. */
export interface DiskShape {
  size: number;
  blockSize: number;
  /** 512 or 4096. */
  sectorSize: number;
  /** It has a parent, which shows where blocks are missing. */
  isDifferencing: boolean;
}

export interface Metadata extends DiskShape {
  /** Blocks are never given back. */
  isFixed: boolean;
  parent: Parent | null;
}

/** Where the table says that an item is, in the region. */
type Items = ReadonlyMap<string, Region>;

/** Longest item; bytes. */
const LONGEST_ITEM = MIB;

/** Throws `corrupt` for metadata that break the rules, `unsupported` for required ones that are not known. */
export async function readMetadata(source: ByteSource, region: Region): Promise<Metadata> {
  const table = new Uint8Array(METADATA_TABLE_SIZE);
  if (region.offset + METADATA_TABLE_SIZE > source.size || region.length < METADATA_TABLE_SIZE)
    throw corrupt('The VHDX metadata lie beyond the end of the file');
  await source.read(region.offset, table);
  const items = parseTable(table, region.length);
  const item = async (id: string, length: number) => {
    const bytes = await readItem(source, region, items, id);
    if (bytes.length < length) throw corrupt(`The VHDX metadata item ${id} is too short`);
    return bytes;
  };
  const { blockSize, flags } = FILE_PARAMETERS.read(await item(METADATA.fileParameters, FILE_PARAMETERS.size));
  const size = readU64(viewOf(await item(METADATA.diskSize, 8)), 0, true, 'The VHDX disk size');
  const sectorSize = viewOf(await item(METADATA.logicalSector, 4)).getUint32(0, true);
  await item(METADATA.physicalSector, 4);
  await item(METADATA.diskId, 16);
  const isDifferencing = (flags & FILE_FLAGS.hasParent) !== 0;
  checkShape({ size, blockSize, sectorSize, isDifferencing });
  const parent = isDifferencing ? parseParent(await item(METADATA.parentLocator, 0)) : null;
  return { size, blockSize, sectorSize, isDifferencing, isFixed: (flags & FILE_FLAGS.leaveAllocated) !== 0, parent };
}

function checkShape({ size, blockSize, sectorSize }: DiskShape): void {
  if (!isPowerOfTwo(blockSize) || blockSize < LIMITS.leastBlock || blockSize > LIMITS.mostBlock)
    throw corrupt(`A VHDX block size of ${blockSize} bytes is not allowed`);
  if (sectorSize !== 512 && sectorSize !== 4096) throw corrupt(`VHDX sectors of ${sectorSize} bytes are not allowed`);
  if (size > LIMITS.diskSize || size % sectorSize !== 0) throw corrupt(`A VHDX disk of ${size} bytes is not allowed`);
}

function parseTable(table: Uint8Array, regionLength: number): Items {
  const { signature, entryCount } = METADATA_TABLE.read(table);
  if (!METADATA_SIGNATURE.every((byte, at) => signature[at] === byte) || entryCount > MOST_METADATA)
    throw corrupt('There is no VHDX metadata table');
  const known = new Set<string>(Object.values(METADATA));
  const items = new Map<string, Region>();
  for (let index = 1; index <= entryCount; index++) {
    const { id, offset, length, flags } = METADATA_ENTRY.read(table, index * METADATA_ENTRY_SIZE);
    const name = guidText(id);
    if (!known.has(name)) {
      if ((flags & METADATA_FLAGS.required) === 0) continue;
      throw new ImageError('unsupported', `The VHDX metadata item ${name} is required, and not known`);
    }
    if (items.has(name)) throw corrupt(`The VHDX metadata item ${name} is there twice`);
    if (offset + length > regionLength || length > LONGEST_ITEM)
      throw corrupt(`The VHDX metadata item ${name} lies outside of its region`);
    items.set(name, { offset, length });
  }
  return items;
}

async function readItem(source: ByteSource, region: Region, items: Items, id: string): Promise<Uint8Array> {
  const place = items.get(id);
  if (place === undefined) throw corrupt(`The VHDX metadata item ${id} is missing`);
  const offset = region.offset + place.offset;
  if (offset + place.length > source.size) throw corrupt('The VHDX metadata lie beyond the end of the file');
  const bytes = new Uint8Array(place.length);
  await source.read(offset, bytes);
  return bytes;
}

/** Payload blocks in a row that share one sector bitmap, whose entry follows theirs in the table. */
export function chunkRatio({ blockSize, sectorSize }: Pick<DiskShape, 'blockSize' | 'sectorSize'>): number {
  return (SECTORS_PER_CHUNK * sectorSize) / blockSize;
}

/** Entries of the block allocation table that a disk needs. */
export function batEntries(shape: DiskShape): number {
  const blocks = Math.ceil(shape.size / shape.blockSize);
  const ratio = chunkRatio(shape);
  const bitmaps = shape.isDifferencing ? Math.ceil(blocks / ratio) : Math.floor((blocks - 1) / ratio);
  const entries = shape.isDifferencing ? bitmaps * (ratio + 1) : blocks + bitmaps;
  return Math.max(0, entries);
}
