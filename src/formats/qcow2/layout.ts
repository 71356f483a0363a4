/**
 * qcow2 on disk: structures, bits and limits.
 *
 * Specification: QEMU, docs/interop/qcow2. Everything is big-endian. The names in brackets below are the sections.
 *
 * Table entries (L1, L2, refcount table) are 64 bits wide and are handled as two unsigned 32-bit halves, `high` and
 * `low`: millions of them are looked at in a conversion, and a bigint each would cost more than the copy itself.
 */
import { fields } from '../../bytes.js';

export const MAGIC = 0x514649fb;

/** [Header] Fields of version 2; version 3 continues with `HEADER_V3`. */
export const HEADER_V2 = fields('big', {
  magic: [0, 'u32'],
  version: [4, 'u32'],
  backingFileOffset: [8, 'bits64'],
  backingFileSize: [16, 'u32'],
  clusterBits: [20, 'u32'],
  size: [24, 'bits64'],
  cryptMethod: [32, 'u32'],
  /** Entries, not bytes. */
  l1Size: [36, 'u32'],
  l1TableOffset: [40, 'bits64'],
  refcountTableOffset: [48, 'bits64'],
  refcountTableClusters: [56, 'u32'],
  snapshotCount: [60, 'u32'],
  snapshotsOffset: [64, 'bits64'],
});

/** [Header] Additional fields of version 3. `compressionType` exists only if `headerLength` exceeds 104. */
export const HEADER_V3 = fields('big', {
  incompatibleFeatures: [72, 'bits64'],
  compatibleFeatures: [80, 'bits64'],
  autoclearFeatures: [88, 'bits64'],
  refcountOrder: [96, 'u32'],
  headerLength: [100, 'u32'],
  compressionType: [104, 'u8'],
});

export const V2_HEADER_LENGTH = 72;
/** The shortest header that version 3 allows: it ends before `compressionType`. */
export const V3_MIN_HEADER_LENGTH = 104;
/** The header as QEMU writes it: `compressionType` and its padding included. */
export const V3_HEADER_LENGTH = 112;

/** [Header] Feature bits. */
export const INCOMPATIBLE = { dirty: 1n, corrupt: 2n, dataFile: 4n, compression: 8n, extendedL2: 16n } as const;
export const COMPATIBLE = { lazyRefcounts: 1n } as const;
export const AUTOCLEAR = { bitmaps: 1n, rawData: 2n } as const;
export const KNOWN_INCOMPATIBLE = 31n;

export const CRYPT = { none: 0, aes: 1, luks: 2 } as const;

/** [Header extensions] Magic numbers. */
export const EXTENSION = {
  end: 0,
  backingFormat: 0xe2792aca,
  featureNames: 0x6803f857,
  bitmaps: 0x23852875,
  encryption: 0x0537be77,
  dataFile: 0x44415441,
} as const;

/** [Header extensions] What precedes the data of each extension; the data is padded to a multiple of 8 bytes. */
export const EXTENSION_HEAD = fields('big', { magic: [0, 'u32'], length: [4, 'u32'] });

/** [Feature name table] One entry. `type`: 0 incompatible, 1 compatible, 2 autoclear. */
export const FEATURE_NAME = fields('big', { type: [0, 'u8'], bit: [1, 'u8'], name: [2, { bytes: 46 }] });

/** [Bitmaps extension] */
export const BITMAPS_EXTENSION = fields('big', {
  count: [0, 'u32'],
  reserved: [4, 'u32'],
  directorySize: [8, 'bits64'],
  directoryOffset: [16, 'bits64'],
});

/** [Full disk encryption header pointer] */
export const ENCRYPTION_POINTER = fields('big', { offset: [0, 'bits64'], length: [8, 'bits64'] });

/** [Snapshots] Fixed part of an entry; extra data, id and name follow, then padding to a multiple of 8 bytes. */
export const SNAPSHOT = fields('big', {
  l1TableOffset: [0, 'bits64'],
  l1Size: [8, 'u32'],
  idLength: [12, 'u16'],
  nameLength: [14, 'u16'],
  seconds: [16, 'u32'],
  nanoseconds: [20, 'u32'],
  vmClock: [24, 'bits64'],
  vmStateSize32: [32, 'u32'],
  extraDataSize: [36, 'u32'],
});

/** [Snapshots] Known extra data; each field exists only if `extraDataSize` reaches its end. */
export const SNAPSHOT_EXTRA = fields('big', {
  vmStateSize: [0, 'bits64'],
  diskSize: [8, 'bits64'],
  icount: [16, 'bits64'],
});

/** [Bitmap directory] Fixed part of an entry; extra data and name follow, then padding to a multiple of 8 bytes. */
export const BITMAP_ENTRY = fields('big', {
  tableOffset: [0, 'bits64'],
  /** Entries, not bytes. */
  tableSize: [8, 'u32'],
  flags: [12, 'u32'],
  type: [16, 'u8'],
  granularityBits: [17, 'u8'],
  nameLength: [18, 'u16'],
  extraDataSize: [20, 'u32'],
});

export const BITMAP_FLAG = { inUse: 1, auto: 2 } as const;
/** The only bitmap type there is. */
export const DIRTY_TRACKING = 1;

/** What QEMU accepts; sizes in bytes. */
export const LIMITS = {
  minClusterBits: 9,
  maxClusterBits: 21,
  l1Bytes: 32 * 1024 * 1024,
  refcountTableBytes: 8 * 1024 * 1024,
  /** Order 6 is 64 bits wide. */
  refcountOrder: 6,
  backingName: 1023,
  backingFormat: 15,
  snapshots: 65536,
  snapshotTableBytes: 65536 * 1024,
  snapshotExtraData: 1024,
  bitmaps: 65535,
  bitmapDirectoryBytes: 65535 * 1024,
  bitmapName: 1023,
  bitmapTableEntries: 0x8000000,
  /** Of one bitmap in memory. */
  bitmapBytes: 0x20000000,
  minGranularityBits: 9,
  maxGranularityBits: 31,
} as const;

export const ENTRY_SIZE = 8;
export const EXTENDED_L2_ENTRY_SIZE = 16;
export const SUBCLUSTERS = 32;
/** Compressed clusters are addressed in units of this many bytes. */
export const COMPRESSED_SECTOR = 512;

// [L1 table], [L2 table]: bits of an entry, in the half that holds them.

const TWO_32 = 0x1_0000_0000;

/** L1 and L2, high half, bit 63: the refcount is exactly one, so the cluster may be written in place. */
export const COPIED_HIGH = 0x80000000;
/** L2, high half, bit 62: a compressed cluster descriptor. */
export const COMPRESSED_HIGH = 0x40000000;
/** L2, low half, bit 0: the cluster reads as zeros (version 3, without extended L2 entries). */
export const ZERO_LOW = 1;

export function isCopied(high: number): boolean {
  return (high & COPIED_HIGH) !== 0;
}

export function isCompressed(high: number): boolean {
  return (high & COMPRESSED_HIGH) !== 0;
}

export function readsAsZero(low: number): boolean {
  return (low & ZERO_LOW) !== 0;
}

/** Bits 0 to 8 and 56 to 62, which must be zero. */
export function reservedL1Bits(high: number, low: number): boolean {
  return (high & 0x7f000000) !== 0 || (low & 0x1ff) !== 0;
}

/** Bits 1 to 8 and 56 to 61 of a standard entry, which must be zero; so must bit 0 in an extended one. */
export function reservedL2Bits(high: number, low: number): boolean {
  return (high & 0x3f000000) !== 0 || (low & 0x1fe) !== 0;
}

/** Bits 9 to 55 of an L1 or a standard L2 entry: a host offset in bytes. Exact, also above 2^53. */
export function hostOffsetOf(high: number, low: number): number {
  return (high & 0x00ffffff) * TWO_32 + ((low & 0xfffffe00) >>> 0);
}

/** The high half of an entry for `hostOffset` (a multiple of 512), without flags; or `COPIED_HIGH` in. */
export function highOf(hostOffset: number): number {
  return Math.floor(hostOffset / TWO_32);
}

/** The low half of an entry for `hostOffset` (a multiple of 512), without flags; or `ZERO_LOW` in. */
export function lowOf(hostOffset: number): number {
  return hostOffset >>> 0;
}

/**
 * [Compressed cluster descriptor] x = 62 - (clusterBits - 8): the bits below x are the host offset in bytes, those
 * from x to 61 the number of further 512-byte sectors. x is 49 to 61, so the border lies in the high half.
 */
function offsetBitsInHigh(clusterBits: number): number {
  return 62 - (clusterBits - 8) - 32;
}

/** Where the compressed data begins in the file; any byte. */
export function compressedOffsetOf(high: number, low: number, clusterBits: number): number {
  return (high & ((1 << offsetBitsInHigh(clusterBits)) - 1)) * TWO_32 + low;
}

/** The most bytes that the compressed data can take: it ends with the last of its sectors at the latest. */
export function compressedLengthOf(high: number, low: number, clusterBits: number): number {
  const furtherSectors = (high & 0x3fffffff) >>> offsetBitsInHigh(clusterBits);
  return (furtherSectors + 1) * COMPRESSED_SECTOR - (low % COMPRESSED_SECTOR);
}

/** The high half of a compressed cluster's entry (flag included); the low half is `lowOf(hostOffset)`. */
export function compressedHighOf(hostOffset: number, length: number, clusterBits: number): number {
  const first = Math.floor(hostOffset / COMPRESSED_SECTOR);
  const last = Math.floor((hostOffset + length - 1) / COMPRESSED_SECTOR);
  return (COMPRESSED_HIGH | ((last - first) << offsetBitsInHigh(clusterBits)) | highOf(hostOffset)) >>> 0;
}

/** The highest host offset (exclusive) at which a compressed cluster can be placed. */
export function compressedOffsetLimit(clusterBits: number): number {
  return 2 ** (62 - (clusterBits - 8));
}
