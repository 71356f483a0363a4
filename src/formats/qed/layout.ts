/**
 * The QED format (QEMU's docs/interop/qed_spec): all numbers little-endian, all structures made of clusters.
 *
 *     0           header, `headerSize` clusters; the backing file's name follows the fields
 *     l1          L1 table: offsets of L2 tables, 0 for none
 *     ...         L2 tables and data clusters, in the order in which they were needed
 */
import { fields } from '../../bytes.js';

export const SECTOR = 512;

export const HEADER = fields('little', {
  magic: [0, 'u32'],
  /** Bytes; a power of two. */
  clusterSize: [4, 'u32'],
  /** Clusters of an L1 or L2 table; a power of two. */
  tableSize: [8, 'u32'],
  /** Clusters. */
  headerSize: [12, 'u32'],
  features: [16, 'bits64'],
  compatFeatures: [24, 'bits64'],
  autoclearFeatures: [32, 'bits64'],
  /** Byte of the file. */
  l1TableOffset: [40, 'u64'],
  /** Bytes of the guest's disk. */
  imageSize: [48, 'u64'],
  /** Where the backing file's name is; bytes. */
  backingNameOffset: [56, 'u32'],
  backingNameSize: [60, 'u32'],
});

export type QedHeader = ReturnType<typeof HEADER.read>;

/** "QED" and a NUL. */
export const MAGIC = 0x00444551;

export const FEATURE = {
  backingFile: 1n,
  /** The image was not closed: counts and tables may be wrong. */
  needCheck: 2n,
  /** The backing file is raw; otherwise its format is probed. */
  backingIsRaw: 4n,
} as const;
export const KNOWN_FEATURES = FEATURE.backingFile | FEATURE.needCheck | FEATURE.backingIsRaw;

/** Entries of L2 tables besides offsets: never written, and zeros. */
export const ENTRY = { unallocated: 0, zero: 1, size: 8 } as const;

export const LIMITS = {
  clusterSize: { least: 4096, most: 64 * 1024 * 1024, default: 65536 },
  tableSize: { least: 1, most: 16, default: 4 },
  /** Bytes of the backing file's name. */
  backingName: 1023,
} as const;

/** Entries of an L1 or L2 table. */
export function tableEntries(clusterSize: number, tableSize: number): number {
  return (clusterSize * tableSize) / ENTRY.size;
}

/** The largest disk that two levels of tables can describe, in bytes. */
export function largestDisk(clusterSize: number, tableSize: number): number {
  return tableEntries(clusterSize, tableSize) ** 2 * clusterSize;
}
