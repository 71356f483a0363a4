/** Reading and checking the headers of hosted sparse extents and COWD extents; order and words of the checks are QEMU's. */
import { corrupt, ImageError } from '../../errors.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import {
  AT_END,
  COMPRESSION_DEFLATE,
  COWD,
  COWD_ENTRIES_PER_TABLE,
  COWD_MAGIC,
  FLAG,
  HEADER,
  type Header,
  LIMITS,
  MAGIC,
  MARKER,
  METADATA_MARKER,
  SECTOR,
} from './layout.js';

/** How a sparse extent is stored; bytes of the file, but for the counts of entries. */
export interface SparseShape {
  /** Bytes of disk. */
  size: number;
  grainSize: number;
  entriesPerTable: number;
  directory: number;
  directoryEntries: number;
  redundantDirectory: number | null;
  zeroGrains: boolean;
  /** Grains are compressed; null: they are not. */
  packed: { markers: boolean; atEnd: boolean } | null;
  /** It may only be read; null: it may be written to. */
  readOnly: string | null;
}

/** Where a file holds a descriptor; bytes. */
export interface EmbeddedDescriptor {
  offset: number;
  length: number;
}

/** What begins with a hosted sparse extent's header. */
export interface HostedFile {
  /** null: there is nothing in the file but the descriptor. */
  shape: SparseShape | null;
  descriptor: EmbeddedDescriptor | null;
}

/** What a file begins with. */
export function kindOf(head: Uint8Array): 'hosted' | 'cowd' | 'other' {
  if (head.length < 4) return 'other';
  const magic = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
  return magic === MAGIC ? 'hosted' : magic === COWD_MAGIC ? 'cowd' : 'other';
}

/** Throws `corrupt` or `unsupported`. */
export async function readHosted(source: ByteSource): Promise<HostedFile> {
  const first = HEADER.read(await sectorAt(source, 0));
  const descriptor = embeddedDescriptor(first, source.size);
  if (first.capacity === 0n && descriptor !== null) return { shape: null, descriptor };
  const atEnd = first.directory === AT_END;
  const header = atEnd ? await readFooter(source) : first;
  return { shape: shapeOf(header, source.size, atEnd), descriptor };
}

function embeddedDescriptor({ descriptorOffset, descriptorSize }: Header, fileSize: number): EmbeddedDescriptor | null {
  const offset = Number(descriptorOffset) * SECTOR;
  if (offset === 0 || offset >= fileSize) return null;
  const claimed = Number(descriptorSize) * SECTOR || LIMITS.embeddedDescriptor;
  return { offset, length: Math.min(claimed, fileSize - offset, LIMITS.descriptorFile) };
}

/** The footer takes precedence: what was at the beginning was written before the rest was known. */
async function readFooter(source: ByteSource): Promise<Header> {
  const start = Math.ceil(source.size / SECTOR) * SECTOR - 3 * SECTOR;
  if (start < SECTOR) throw corrupt('Invalid footer');
  const marker = METADATA_MARKER.read(await sectorAt(source, start));
  const footer = HEADER.read(await sectorAt(source, start + SECTOR));
  const end = METADATA_MARKER.read(await sectorAt(source, start + 2 * SECTOR));
  const isFooter = footer.magic === MAGIC && marker.size === 0 && marker.type === MARKER.footer;
  const isEnd = end.sectors === 0n && end.size === 0 && end.type === MARKER.endOfStream;
  if (!isFooter || !isEnd) throw corrupt('Invalid footer');
  return footer;
}

function shapeOf(header: Header, fileSize: number, atEnd: boolean): SparseShape {
  const { version, flags, entriesPerTable, grainSize, capacity, overhead } = header;
  const isPacked = header.compression === COMPRESSION_DEFLATE;
  if (version > 3) throw new ImageError('unsupported', `Unsupported VMDK version ${version}`);
  if (entriesPerTable > LIMITS.entriesPerTable) throw corrupt('L2 table size too big');
  if (BigInt(entriesPerTable) * grainSize === 0n) throw corrupt('L1 entry size is invalid');
  if (BigInt(Math.ceil(fileSize / SECTOR)) < overhead)
    throw corrupt(`File truncated, expecting at least ${overhead * BigInt(SECTOR)} bytes`);
  const hasRedundant = (flags & FLAG.redundantDirectory) !== 0 && header.redundantDirectory !== 0n;
  return {
    ...sizesOf(capacity, grainSize, entriesPerTable),
    directory: placeOf(header.directory),
    redundantDirectory: hasRedundant ? placeOf(header.redundantDirectory) : null,
    zeroGrains: (flags & FLAG.zeroGrains) !== 0,
    packed: isPacked ? { markers: (flags & FLAG.markers) !== 0, atEnd } : null,
    // Version 3 adds the tracking of changed blocks, which who writes would have to keep up.
    readOnly: version === 3 && !isPacked ? 'VMDK version 3 must be read only' : null,
  };
}

type Sizes = Pick<SparseShape, 'size' | 'grainSize' | 'entriesPerTable' | 'directoryEntries'>;

function sizesOf(capacity: bigint, grainSize: bigint, entriesPerTable: number): Sizes {
  if (grainSize > BigInt(LIMITS.grainSize)) throw corrupt('Invalid granularity, image may be corrupt');
  const perTable = BigInt(entriesPerTable) * grainSize;
  const directoryEntries = (capacity + perTable - 1n) / perTable;
  if (directoryEntries > BigInt(LIMITS.directoryEntries)) throw corrupt('L1 size too big');
  if (capacity * BigInt(SECTOR) > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt('The extent is too large');
  return {
    size: Number(capacity) * SECTOR,
    grainSize: Number(grainSize) * SECTOR,
    entriesPerTable,
    directoryEntries: Number(directoryEntries),
  };
}

function placeOf(sector: bigint): number {
  const place = Number(sector) * SECTOR;
  if (!Number.isSafeInteger(place)) throw corrupt('The grain directory lies beyond the end of the file');
  return place;
}

/** The header of a COWD extent. Throws `corrupt`. */
export async function readCowd(source: ByteSource): Promise<SparseShape> {
  const header = COWD.read(await sectorAt(source, 0));
  const { capacity, grainSize, directory, directoryEntries } = header;
  if (grainSize === 0) throw corrupt('Invalid granularity, image may be corrupt');
  const sizes = sizesOf(BigInt(capacity), BigInt(grainSize), COWD_ENTRIES_PER_TABLE);
  if (directoryEntries < sizes.directoryEntries)
    throw corrupt('The grain directory is too small for the extent, image may be corrupt');
  return {
    ...sizes,
    directory: directory * SECTOR,
    redundantDirectory: null,
    zeroGrains: false,
    packed: null,
    readOnly: null,
  };
}

async function sectorAt(source: ByteSource, offset: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(SECTOR);
  await readPadded(source, offset, bytes);
  return bytes;
}
