/**
 * The first version of QEMU's copy-on-write format (block/qcow.c; there is no other specification). Numbers are
 * big-endian.
 *
 *     0           header; the backing file's name follows it
 *     l1          L1 table: offsets of L2 tables, 0 for none
 *     ...         L2 tables, clusters and streams of compressed clusters, in the order in which they were needed
 *
 * | bits of an L2 entry | meaning |
 * |---|---|
 * | 63 | the cluster is compressed (RFC 1951, window of 4 KiB) |
 * | 63 - clusterBits to 62 | compressed: bytes of the stream |
 * | the lower ones | offset in the file; 0: unallocated |
 */
import { fields } from '../../bytes.js';

export const SECTOR = 512;

export const HEADER = fields('big', {
  magic: [0, 'u32'],
  version: [4, 'u32'],
  /** Where the backing file's name is; 0: there is none. Bytes. */
  backingNameOffset: [8, 'u64'],
  backingNameSize: [16, 'u32'],
  modified: [20, 'u32'],
  /** Bytes of the guest's disk. */
  size: [24, 'u64'],
  clusterBits: [32, 'u8'],
  /** Base-2 logarithm of the entries of an L2 table. */
  l2Bits: [33, 'u8'],
  padding: [34, 'u16'],
  cryptMethod: [36, 'u32'],
  /** Byte of the file. */
  l1TableOffset: [40, 'u64'],
});

export type QcowHeader = ReturnType<typeof HEADER.read>;

/** "QFI" and 0xfb. */
export const MAGIC = 0x514649fb;
export const VERSION = 1;
export const CRYPT = { none: 0, aes: 1 } as const;
export const ENTRY_SIZE = 8;

export const LIMITS = {
  clusterBits: { least: 9, most: 16 },
  l2Bits: { least: 6, most: 13 },
  /** Bytes of the L1 table. */
  l1Table: 2 ** 31 - 1,
  /** Bytes of the backing file's name. */
  backingName: 1023,
} as const;

/** QEMU makes small clusters over a backing file, so that little is copied. */
export const GEOMETRY = {
  alone: { clusterBits: 12, l2Bits: 9 },
  overBacking: { clusterBits: 9, l2Bits: 12 },
} as const;
