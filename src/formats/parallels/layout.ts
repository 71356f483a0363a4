/**
 * The header of a Parallels image, little-endian.
 *
 *     0       header, 64 bytes
 *     64      block allocation table (BAT)
 *     data    clusters
 *
 * Specification: QEMU, docs/interop/parallels.
 */
import { fields } from '../../bytes.js';

export const SECTOR = 512;

export const HEADER = fields('little', {
  magic: [0, { bytes: 16 }],
  version: [16, 'u32'],
  heads: [20, 'u32'],
  cylinders: [24, 'u32'],
  /** Sectors of a cluster. */
  tracks: [28, 'u32'],
  batEntries: [32, 'u32'],
  /** Sectors of the disk; with the old magic the lower half counts. */
  sectors: [36, 'bits64'],
  inUse: [44, 'u32'],
  /** Sector of the file at which clusters begin; 0 with the old magic: behind the table. */
  dataOffset: [48, 'u32'],
  flags: [52, 'u32'],
  /** Sector of the file at which the format extension lies; 0: there is none. */
  extensionOffset: [56, 'bits64'],
});

export type HeaderFields = ReturnType<typeof HEADER.read>;

/** Entries of the table count sectors. */
export const OLD_MAGIC = 'WithoutFreeSpace';
/** Entries of the table count clusters. */
export const MAGIC = 'WithouFreSpacExt';
export const VERSION = 2;
/** `inUse` of an image that is open, or was not closed. */
export const IN_USE = 0x746f6e59;

/** The table's first byte. */
export const BAT_OFFSET = HEADER.size;
export const BAT_ENTRY = 4;

export const DEFAULT_CLUSTER_SIZE = 1024 * 1024;

/** QEMU's limits: signed 32-bit integers. */
export const LIMITS = {
  tracks: Math.floor((2 ** 31 - 1) / 513),
  batEntries: Math.floor((2 ** 31 - 1) / BAT_ENTRY),
} as const;
