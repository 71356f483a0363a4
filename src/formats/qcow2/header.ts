/**
 * The qcow2 header with its extensions: read, checked, written.
 *
 * Specification: QEMU, docs/interop/qcow2, "Header" and "Header extensions". The checks, their order and their words
 * follow what `qemu-img` says of the same image.
 */
import { cString, isExact } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import type { Codec } from '../../kernels/kernels.js';
import { isPending } from '../../maybe.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import {
  type HeaderExtensions,
  noExtensions,
  readExtensions,
  readFeatureNames,
  writeExtensions,
} from './extensions.js';
import {
  CRYPT,
  ENTRY_SIZE,
  EXTENDED_L2_ENTRY_SIZE,
  HEADER_V2,
  HEADER_V3,
  INCOMPATIBLE,
  KNOWN_INCOMPATIBLE,
  LIMITS,
  MAGIC,
  SNAPSHOT,
  SUBCLUSTERS,
  V2_HEADER_LENGTH,
  V3_HEADER_LENGTH,
  V3_MIN_HEADER_LENGTH,
} from './layout.js';

export type Compression = 'zlib' | 'zstd';

/** The header in memory. Offsets and sizes are bytes unless said otherwise; all are checked. */
export interface QcowHeader {
  version: 2 | 3;
  clusterBits: number;
  /** Guest disk; a multiple of 512 (a rest beyond it does not exist for QEMU either). */
  size: number;
  /** One of `CRYPT`. */
  cryptMethod: number;
  /** Entries. */
  l1Size: number;
  l1TableOffset: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  snapshotCount: number;
  snapshotsOffset: number;
  incompatibleFeatures: bigint;
  compatibleFeatures: bigint;
  autoclearFeatures: bigint;
  /** Refcounts are 2^refcountOrder bits wide. */
  refcountOrder: number;
  compression: Compression;
  /** Header bytes beyond those known here; kept when the header is written. */
  unknownFields: Uint8Array;
  backingFile: string | null;
  extensions: HeaderExtensions;
}

export function clusterSizeOf(header: QcowHeader): number {
  return 2 ** header.clusterBits;
}

/** The codec of compressed clusters. */
export function codecOf({ compression }: Pick<QcowHeader, 'compression'>): Codec {
  return compression === 'zlib' ? 'deflate' : 'zstd';
}

export function hasExtendedL2(header: QcowHeader): boolean {
  return (header.incompatibleFeatures & INCOMPATIBLE.extendedL2) !== 0n;
}

export function hasDataFile(header: QcowHeader): boolean {
  return (header.incompatibleFeatures & INCOMPATIBLE.dataFile) !== 0n;
}

/** Bytes of an L2 entry. */
export function l2EntrySizeOf(header: QcowHeader): number {
  return hasExtendedL2(header) ? EXTENDED_L2_ENTRY_SIZE : ENTRY_SIZE;
}

/** Guest bytes that one L2 table, so one L1 entry, maps. */
export function l2CoverageOf(header: QcowHeader): number {
  return (clusterSizeOf(header) / l2EntrySizeOf(header)) * clusterSizeOf(header);
}

/**
 * Reads and checks header and extensions. Throws `corrupt` or `unsupported`, worded as `qemu-img` does.
 *
 * @param forCheck accept any snapshot table and a missing refcount table: a check looks at them by itself. The header
 *   then has no snapshots.
 */
export async function readHeader(source: ByteSource, forCheck = false): Promise<QcowHeader> {
  const start = new Uint8Array(2 ** LIMITS.minClusterBits);
  await readPadded(source, 0, start);
  const firstCluster = new Uint8Array(2 ** checkedClusterBits(start));
  const pending = readPadded(source, 0, firstCluster);
  if (isPending(pending)) await pending;
  return parseHeader(firstCluster, forCheck);
}

/** The checks that come before the size of a cluster is known. */
function checkedClusterBits(start: Uint8Array): number {
  const { magic, version, clusterBits } = HEADER_V2.read(start);
  if (magic !== MAGIC) throw corrupt('Image is not in qcow2 format');
  if (version < 2 || version > 3) throw new ImageError('unsupported', `Unsupported qcow2 version ${version}`);
  if (clusterBits < LIMITS.minClusterBits || clusterBits > LIMITS.maxClusterBits)
    throw corrupt(`Unsupported cluster size: 2^${clusterBits}`);
  return clusterBits;
}

/** Parses the header from the image's first cluster (all of it, filled up with zeros); `forCheck` as in `readHeader`. */
export function parseHeader(firstCluster: Uint8Array, forCheck = false): QcowHeader {
  const clusterBits = checkedClusterBits(firstCluster);
  const clusterSize = 2 ** clusterBits;
  const v2 = HEADER_V2.read(firstCluster);
  const v3 = readVersion3(firstCluster, v2.version);
  if (v3.headerLength > clusterSize) throw corrupt('qcow2 header exceeds cluster size');
  if (v2.backingFileOffset > clusterSize) throw corrupt('Invalid backing file offset');
  const backingFileOffset = Number(v2.backingFileOffset);
  const extensionArea = firstCluster.subarray(v3.headerLength, backingFileOffset || clusterSize);
  checkCompressionBit(v3.compressionType, v3.incompatibleFeatures);
  checkIncompatible(v3.incompatibleFeatures, extensionArea);
  checkSubclusterSize(v3.incompatibleFeatures, clusterSize);
  if (v3.refcountOrder > LIMITS.refcountOrder)
    throw corrupt('Reference count entry width too large; may not exceed 64 bits');
  const header: QcowHeader = {
    version: v2.version as 2 | 3,
    clusterBits,
    size: 0,
    cryptMethod: v2.cryptMethod,
    l1Size: v2.l1Size,
    refcountTableClusters: v2.refcountTableClusters,
    snapshotCount: forCheck ? 0 : v2.snapshotCount,
    ...checkedTables(v2, clusterSize, forCheck),
    incompatibleFeatures: v3.incompatibleFeatures,
    compatibleFeatures: v3.compatibleFeatures,
    autoclearFeatures: v3.autoclearFeatures,
    refcountOrder: v3.refcountOrder,
    compression: v3.compressionType === 0 ? 'zlib' : 'zstd',
    unknownFields: firstCluster.slice(V3_HEADER_LENGTH, Math.max(V3_HEADER_LENGTH, v3.headerLength)),
    backingFile: null,
    extensions: noExtensions(),
  };
  header.size = checkedSize(v2.size, header);
  header.extensions = readExtensions(extensionArea, header);
  checkEncryption(header);
  header.backingFile = readBackingName(firstCluster, backingFileOffset, v2.backingFileSize);
  return header;
}

function readVersion3(firstCluster: Uint8Array, version: number): ReturnType<typeof HEADER_V3.read> {
  if (version === 2) {
    return {
      incompatibleFeatures: 0n,
      compatibleFeatures: 0n,
      autoclearFeatures: 0n,
      refcountOrder: 4,
      headerLength: V2_HEADER_LENGTH,
      compressionType: 0,
    };
  }
  const values = HEADER_V3.read(firstCluster);
  if (values.headerLength < V3_MIN_HEADER_LENGTH) throw corrupt('qcow2 header too short');
  if (values.headerLength === V3_MIN_HEADER_LENGTH) values.compressionType = 0;
  return values;
}

function checkCompressionBit(type: number, incompatible: bigint): void {
  if (type > 1) throw new ImageError('unsupported', `qcow2: unknown compression type: ${type}`);
  const bit = (incompatible & INCOMPATIBLE.compression) !== 0n;
  if (type === 0 && bit) throw corrupt('qcow2: Compression type incompatible feature bit must not be set');
  if (type !== 0 && !bit) throw corrupt('qcow2: Compression type incompatible feature bit must be set');
}

/** Refuses unknown incompatible features, by the names that the image itself gives them. */
function checkIncompatible(incompatible: bigint, extensionArea: Uint8Array): void {
  let unknown = incompatible & ~KNOWN_INCOMPATIBLE;
  if (unknown === 0n) return;
  const names: string[] = [];
  for (const { type, bit, name } of readFeatureNames(extensionArea)) {
    const mask = 1n << BigInt(bit);
    if (type !== 0 || (unknown & mask) === 0n) continue;
    names.push(name);
    unknown &= ~mask;
  }
  if (unknown !== 0n) names.push(`Unknown incompatible feature: ${unknown.toString(16)}`);
  throw new ImageError('unsupported', `Unsupported qcow2 feature(s): ${names.join(', ')}`);
}

function checkSubclusterSize(incompatible: bigint, clusterSize: number): void {
  const size = incompatible & INCOMPATIBLE.extendedL2 ? clusterSize / SUBCLUSTERS : clusterSize;
  if (size < 2 ** LIMITS.minClusterBits) throw corrupt(`Unsupported subcluster size: ${size}`);
}

type Tables = Pick<QcowHeader, 'refcountTableOffset' | 'snapshotsOffset' | 'l1TableOffset'>;

function checkedTables(v2: ReturnType<typeof HEADER_V2.read>, clusterSize: number, forCheck: boolean): Tables {
  if (v2.refcountTableClusters === 0 && !forCheck) throw corrupt('Image does not contain a reference count table');
  const limit = LIMITS.refcountTableBytes;
  return {
    refcountTableOffset: checkedTable('Reference count table', clusterSize, v2.refcountTableOffset, {
      entries: v2.refcountTableClusters,
      entrySize: clusterSize,
      limit,
    }),
    snapshotsOffset: forCheck ? 0 : checkedSnapshotTable(v2.snapshotsOffset, v2.snapshotCount, clusterSize),
    l1TableOffset: checkedTable('Active L1 table', clusterSize, v2.l1TableOffset, {
      entries: v2.l1Size,
      entrySize: ENTRY_SIZE,
      limit: LIMITS.l1Bytes,
    }),
  };
}

function checkedSnapshotTable(offset: bigint, entries: number, clusterSize: number): number {
  const extent = { entries, entrySize: SNAPSHOT.size, limit: SNAPSHOT.size * LIMITS.snapshots };
  return checkedTable('Snapshot table', clusterSize, offset, extent);
}

/** The offset of a table as a number; it is a multiple of the cluster size, and the table's size within `limit`. */
export function checkedTable(
  name: string,
  clusterSize: number,
  offset: bigint,
  extent: { entries: number; entrySize: number; limit: number },
): number {
  const bytes = extent.entries * extent.entrySize;
  if (bytes > extent.limit) throw corrupt(`${name} too large`);
  const isSafe = offset <= BigInt(Number.MAX_SAFE_INTEGER - bytes);
  if (!isSafe || Number(offset) % clusterSize !== 0) throw corrupt(`${name} offset invalid`);
  return Number(offset);
}

/** QEMU counts them in an `int`; a table of so many is too large in any case. */
const MOST_L1_ENTRIES = 2 ** 31 - 1;

/** The guest's disk size, whole sectors; the L1 table must map all of it. */
function checkedSize(size: bigint, header: QcowHeader): number {
  const sectors = size - (size % 512n);
  const entries = Math.ceil(Number(size) / l2CoverageOf(header));
  if (!isExact(sectors) || entries > MOST_L1_ENTRIES) throw corrupt('Image is too big');
  if (entries > header.l1Size) throw corrupt('L1 table is too small');
  return Number(sectors);
}

function checkEncryption(header: QcowHeader): void {
  if (header.cryptMethod === CRYPT.none || header.cryptMethod === CRYPT.aes) return;
  if (header.extensions.encryption === null)
    throw corrupt(`Missing CRYPTO header for crypt method ${header.cryptMethod}`);
}

function readBackingName(firstCluster: Uint8Array, offset: number, length: number): string | null {
  if (offset === 0) return null;
  if (length > Math.min(LIMITS.backingName, firstCluster.length - offset)) throw corrupt('Backing file name too long');
  return cString(firstCluster.subarray(offset, offset + length));
}

/**
 * The header as it goes to disk: fields, extensions and backing file name, filled up with zeros to a whole cluster.
 * Version 3 always gets the full-length header, as QEMU writes it. Throws `no-space` if the cluster is too small.
 */
export function serializeHeader(header: QcowHeader): Uint8Array {
  const bytes = new Uint8Array(clusterSizeOf(header));
  const fixedLength = header.version === 2 ? V2_HEADER_LENGTH : V3_HEADER_LENGTH;
  const extensions = writeExtensions(header.extensions, header.version, bytes.length);
  const backingName = new TextEncoder().encode(header.backingFile ?? '');
  const backingFileOffset = fixedLength + header.unknownFields.length + extensions.length;
  // QEMU's word for it: what is full is the header cluster, not the disk.
  if (backingFileOffset + backingName.length > bytes.length)
    throw new ImageError('no-space', 'No space left on device');
  writeVersion2(bytes, header);
  if (header.version === 3) writeVersion3(bytes, header);
  bytes.set(header.unknownFields, fixedLength);
  bytes.set(extensions, fixedLength + header.unknownFields.length);
  if (header.backingFile !== null) {
    bytes.set(backingName, backingFileOffset);
    HEADER_V2.write(bytes, {
      backingFileOffset: BigInt(backingFileOffset),
      backingFileSize: backingName.length,
    });
  }
  return bytes;
}

function writeVersion2(bytes: Uint8Array, header: QcowHeader): void {
  HEADER_V2.write(bytes, {
    magic: MAGIC,
    version: header.version,
    clusterBits: header.clusterBits,
    size: BigInt(header.size),
    cryptMethod: header.cryptMethod,
    l1Size: header.l1Size,
    l1TableOffset: BigInt(header.l1TableOffset),
    refcountTableOffset: BigInt(header.refcountTableOffset),
    refcountTableClusters: header.refcountTableClusters,
    snapshotCount: header.snapshotCount,
    snapshotsOffset: BigInt(header.snapshotsOffset),
  });
}

function writeVersion3(bytes: Uint8Array, header: QcowHeader): void {
  HEADER_V3.write(bytes, {
    incompatibleFeatures: header.incompatibleFeatures,
    compatibleFeatures: header.compatibleFeatures,
    autoclearFeatures: header.autoclearFeatures,
    refcountOrder: header.refcountOrder,
    headerLength: V3_HEADER_LENGTH + header.unknownFields.length,
    compressionType: header.compression === 'zlib' ? 0 : 1,
  });
}
