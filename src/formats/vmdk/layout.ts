/**
 * The structures of VMDK files (VMware Virtual Disk Format 5.0; COWD and seSparse as QEMU's block/vmdk.c knows them). All
 * numbers are little-endian, places and lengths are in sectors of 512 bytes.
 *
 *     hosted sparse extent              stream-optimized extent         COWD (vmfsSparse)
 *     0    header                       0    header                     0    header
 *     1    descriptor                   1    descriptor                 4    grain directory
 *     21   redundant grain directory,   128  grains, each with a        ...  grain tables, grains
 *          its grain tables                  marker; grain tables
 *     ...  grain directory,             ...  grain directory
 *          its grain tables             -3   footer marker
 *     ...  grains                       -2   footer: the header again
 *                                       -1   end of stream
 *
 * A grain directory has an entry for each grain table, a grain table one for each grain: the sector where it begins, 0
 * for none, and 1 for a grain of zeros where the header allows that.
 */
import { fields } from '../../bytes.js';

export const SECTOR = 512;

/** "SparseExtentHeader" of a hosted sparse extent. */
export const HEADER = fields('little', {
  magic: [0, 'u32'],
  version: [4, 'u32'],
  flags: [8, 'u32'],
  /** Sectors of disk in the extent; 0: the file only holds a descriptor. */
  capacity: [12, 'bits64'],
  grainSize: [20, 'bits64'],
  descriptorOffset: [28, 'bits64'],
  descriptorSize: [36, 'bits64'],
  entriesPerTable: [44, 'u32'],
  redundantDirectory: [48, 'bits64'],
  directory: [56, 'bits64'],
  /** Sectors before the first grain. */
  overhead: [64, 'bits64'],
  uncleanShutdown: [72, 'u8'],
  /** Broken by a transfer that takes the file for text. */
  newlines: [73, { bytes: 4 }],
  compression: [77, 'u16'],
});

export type Header = ReturnType<typeof HEADER.read>;

/** "KDMV". */
export const MAGIC = 0x564d444b;
export const NEWLINES = new Uint8Array([0x0a, 0x20, 0x0d, 0x0a]);
export const FLAG = {
  newlines: 1,
  redundantDirectory: 2,
  /** Entry 1 of a grain table stands for zeros. */
  zeroGrains: 4,
  compressed: 0x1_0000,
  /** Grains and tables have markers before them. */
  markers: 0x2_0000,
} as const;
export const COMPRESSION_DEFLATE = 1;
/** `directory`: it is in the footer. */
export const AT_END = 0xffff_ffff_ffff_ffffn;
/** Entry of a grain table. */
export const ZERO_GRAIN = 1;

/** Before a compressed grain; the stream follows at once, and its end is filled up to a sector. */
export const GRAIN_MARKER = fields('little', {
  /** Sector of the disk at which the grain begins. */
  sector: [0, 'u64'],
  /** Bytes of the stream; 0: a `METADATA_MARKER`. */
  size: [8, 'u32'],
});

/** Before tables and the footer; takes a sector. */
export const METADATA_MARKER = fields('little', {
  /** Sectors that follow. */
  sectors: [0, 'bits64'],
  size: [8, 'u32'],
  type: [12, 'u32'],
});

export const MARKER = { endOfStream: 0, grainTable: 1, grainDirectory: 2, footer: 3 } as const;

/** The header of a COWD extent: a snapshot of VMware ESX 2, `vmfsSparse` since. */
export const COWD = fields('little', {
  magic: [0, 'u32'],
  version: [4, 'u32'],
  flags: [8, 'u32'],
  capacity: [12, 'u32'],
  grainSize: [16, 'u32'],
  directory: [20, 'u32'],
  directoryEntries: [24, 'u32'],
  nextFree: [28, 'u32'],
});

/** "COWD". */
export const COWD_MAGIC = 0x44574f43;
export const COWD_ENTRIES_PER_TABLE = 4096;

/** The header of a seSparse extent that never changes. */
export const SESPARSE = fields('little', {
  magic: [0, 'bits64'],
  version: [8, 'bits64'],
  capacity: [16, 'bits64'],
  grainSize: [24, 'bits64'],
  /** Sectors of a grain table. */
  tableSize: [32, 'bits64'],
  flags: [40, 'bits64'],
  reserved1: [48, 'bits64'],
  reserved2: [56, 'bits64'],
  reserved3: [64, 'bits64'],
  reserved4: [72, 'bits64'],
  volatileOffset: [80, 'u64'],
  volatileSize: [88, 'u64'],
  journalHeaderOffset: [96, 'u64'],
  journalHeaderSize: [104, 'u64'],
  journalOffset: [112, 'u64'],
  journalSize: [120, 'u64'],
  directoryOffset: [128, 'u64'],
  directorySize: [136, 'u64'],
  tablesOffset: [144, 'u64'],
  tablesSize: [152, 'u64'],
  freeBitmapOffset: [160, 'u64'],
  freeBitmapSize: [168, 'u64'],
  backmapOffset: [176, 'u64'],
  backmapSize: [184, 'u64'],
  grainsOffset: [192, 'u64'],
  grainsSize: [200, 'u64'],
});

export const SESPARSE_MAGIC = 0xcafebaben;
export const SESPARSE_VERSION = 0x2_0000_0001n;
/** Sectors. */
export const SESPARSE_GRAIN = 8;
export const SESPARSE_TABLE = 64;

/** The header that tells of its state. */
export const SESPARSE_VOLATILE = fields('little', {
  magic: [0, 'bits64'],
  freeTable: [8, 'bits64'],
  nextTransaction: [16, 'bits64'],
  replayJournal: [24, 'bits64'],
});

export const SESPARSE_VOLATILE_MAGIC = 0xcafecafen;

/** QEMU's limits. */
export const LIMITS = {
  /** Sectors of a grain: 1 GiB. */
  grainSize: 0x20_0000,
  /** Entries of a hosted grain table, and of a grain directory. */
  entriesPerTable: 512,
  directoryEntries: 32 * 1024 * 1024,
  /** Bytes of a compressed grain's content; ours. */
  packedGrain: 2 * 1024 * 1024,
  /** Bytes of a descriptor in a file of its own, and of an embedded one. */
  descriptorFile: 1024 * 1024 - 1,
  embeddedDescriptor: 20 * SECTOR,
} as const;
