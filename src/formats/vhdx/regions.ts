/**
 * The region table: where block allocation table and metadata are.
 *
 * Specification: [MS-VHDX], section 2.2.3. There are two copies; the second one counts where the first is damaged.
 */
import { corrupt, ImageError } from '../../errors.js';
import { guidText } from '../../image/guid.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { ByteSource } from '../../storage/storage.js';
import type { Header } from './headers.js';
import {
  checksumOf,
  FIRST_REGION,
  MIB,
  MOST_REGIONS,
  REGION_ENTRY,
  REGION_SIGNATURE,
  REGION_TABLE,
  REGION_TABLE_OFFSETS,
  REGION_TABLE_SIZE,
  REGIONS,
} from './layout.js';

/** A stretch of the file, in bytes. */
export interface Region {
  offset: number;
  length: number;
}

export interface RegionTable {
  bat: Region;
  metadata: Region;
  /** All of them, and the log: blocks are elsewhere. */
  all: readonly Region[];
}

/** Throws `corrupt` for a table that breaks the rules, `unsupported` for one with a required region of another kind. */
export async function readRegions(source: ByteSource, kernels: Kernels, header: Header): Promise<RegionTable> {
  for (const offset of REGION_TABLE_OFFSETS) {
    const bytes = await readTable(source, kernels, offset);
    if (bytes !== null) return parseTable(bytes, { offset: header.logOffset, length: header.logLength });
  }
  throw corrupt('No valid VHDX region table found');
}

async function readTable(source: ByteSource, kernels: Kernels, offset: number): Promise<Uint8Array | null> {
  if (offset + REGION_TABLE_SIZE > source.size) return null;
  const bytes = new Uint8Array(REGION_TABLE_SIZE);
  await source.read(offset, bytes);
  const { signature, checksum, entryCount } = REGION_TABLE.read(bytes);
  const valid = signature === REGION_SIGNATURE && entryCount <= MOST_REGIONS;
  return valid && checksum === checksumOf(kernels, bytes) ? bytes : null;
}

function parseTable(bytes: Uint8Array, log: Region): RegionTable {
  const all: Region[] = log.length > 0 ? [log] : [];
  const found = new Map<string, Region>();
  const { entryCount } = REGION_TABLE.read(bytes);
  for (let index = 0; index < entryCount; index++) {
    const { guid, offset, length, flags } = REGION_ENTRY.read(bytes, FIRST_REGION + index * REGION_ENTRY.size);
    if (offset < MIB || offset % MIB !== 0 || length % MIB !== 0)
      throw corrupt(`The VHDX region at ${offset}, ${length} bytes long, is not aligned to 1 MiB`);
    const other = overlapping(all, { offset, length });
    if (other !== undefined)
      throw corrupt(
        `VHDX region ${offset}-${offset + length} overlaps with region ${other.offset}-${other.offset + other.length}`,
      );
    all.push({ offset, length });
    const kind = guidText(guid);
    const isKnown = kind === REGIONS.bat || kind === REGIONS.metadata;
    if (isKnown && found.has(kind)) throw corrupt(`The VHDX region ${kind} is there twice`);
    if (!isKnown && (flags & 1) !== 0)
      throw new ImageError('unsupported', `The VHDX region ${kind} is required, and not known`);
    found.set(kind, { offset, length });
  }
  const bat = found.get(REGIONS.bat);
  const metadata = found.get(REGIONS.metadata);
  if (bat === undefined) throw corrupt('There is no VHDX block allocation table');
  if (metadata === undefined) throw corrupt('There is no VHDX metadata');
  return { bat, metadata, all };
}

/** A region that shares bytes with this one. */
export function overlapping(regions: readonly Region[], { offset, length }: Region): Region | undefined {
  return regions.find((region) => offset < region.offset + region.length && region.offset < offset + length);
}

/** The table as it is stored. */
export function serializeRegions(kernels: Kernels, entries: readonly (Region & { guid: Uint8Array })[]): Uint8Array {
  const bytes = new Uint8Array(REGION_TABLE_SIZE);
  REGION_TABLE.write(bytes, { signature: REGION_SIGNATURE, entryCount: entries.length });
  for (const [index, entry] of entries.entries())
    REGION_ENTRY.write(bytes, { ...entry, flags: 0 }, FIRST_REGION + index * REGION_ENTRY.size);
  REGION_TABLE.write(bytes, { checksum: checksumOf(kernels, bytes) });
  return bytes;
}
