/**
 * The structures of a VHD image, all big-endian (Virtual Hard Disk Image Format Specification 1.0).
 *
 *     dynamic, differencing             fixed
 *     0       copy of the footer        0     the disk
 *     512     header, 1024 bytes        end   footer, 512 bytes
 *     table   block allocation table
 *     ...     blocks: a bitmap of sectors, then their content
 *     end     footer, 512 bytes
 */
import { fields } from '../../bytes.js';

export const SECTOR = 512;

/** "Hard Disk Footer Format". */
export const FOOTER = fields('big', {
  cookie: [0, { bytes: 8 }],
  features: [8, 'u32'],
  version: [12, 'u32'],
  /** Byte of the file at which the dynamic header begins; all ones in a fixed image. */
  dataOffset: [16, 'bits64'],
  /** Seconds since the year 2000. */
  timestamp: [24, 'u32'],
  creator: [28, { bytes: 4 }],
  creatorMajor: [32, 'u16'],
  creatorMinor: [34, 'u16'],
  creatorOs: [36, { bytes: 4 }],
  /** Bytes of the guest's disk, when it was made and now. */
  originalSize: [40, 'bits64'],
  currentSize: [48, 'bits64'],
  cylinders: [56, 'u16'],
  heads: [58, 'u8'],
  sectorsPerTrack: [59, 'u8'],
  type: [60, 'u32'],
  checksum: [64, 'u32'],
  uuid: [68, { bytes: 16 }],
  savedState: [84, 'u8'],
});

export type Footer = ReturnType<typeof FOOTER.read>;

/** Bytes of a footer; what follows its fields is reserved. */
export const FOOTER_SIZE = 512;
export const FOOTER_COOKIE = new TextEncoder().encode('conectix');

export const TYPE = { fixed: 2, dynamic: 3, differencing: 4 } as const;
/** `features`: a bit that is always set. */
export const FEATURE_RESERVED = 2;
export const VERSION_1_0 = 0x00010000;
/** The specification says 32 ones; the tools that read it want 64. */
export const NO_OFFSET = 0xffff_ffff_ffff_ffffn;

/** "Dynamic Disk Header Format". */
export const HEADER = fields('big', {
  cookie: [0, { bytes: 8 }],
  dataOffset: [8, 'bits64'],
  tableOffset: [16, 'u64'],
  version: [24, 'u32'],
  /** Entries of the block allocation table. */
  tableEntries: [28, 'u32'],
  /** Bytes of disk in a block. */
  blockSize: [32, 'u32'],
  checksum: [36, 'u32'],
  parentUuid: [40, { bytes: 16 }],
  parentTimestamp: [56, 'u32'],
  /** UTF-16, big-endian. */
  parentName: [64, { bytes: 512 }],
});

export type Header = ReturnType<typeof HEADER.read>;

export const HEADER_SIZE = 1024;
export const HEADER_COOKIE = new TextEncoder().encode('cxsparse');

/** "Parent Locator": eight of them, in the header. */
export const LOCATOR = fields('big', {
  platform: [0, 'u32'],
  dataSpace: [4, 'u32'],
  dataLength: [8, 'u32'],
  dataOffset: [16, 'u64'],
});

export const LOCATORS = { offset: 576, count: 8 } as const;

/** An entry of the table: a block that is not in the file. */
export const NO_BLOCK = 0xffffffff;

/** 2040 GiB, in bytes. */
export const LARGEST_DISK = 0xff000000 * SECTOR;

/** Bytes of the bitmap before each block, a bit for each sector, in whole sectors. */
export function bitmapSize(blockSize: number): number {
  return Math.ceil(Math.floor(blockSize / SECTOR / 8) / SECTOR) * SECTOR;
}

/** The ones' complement of the sum of all bytes but those of the checksum at `checksumAt` itself. */
export function checksumOf(bytes: Uint8Array, checksumAt: number): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) if (at < checksumAt || at >= checksumAt + 4) sum += bytes[at]!;
  return ~sum >>> 0;
}
