/**
 * VHDX structures on disk.
 *
 *     0        file identifier
 *     64 KiB   header 1        ┐ the valid one with the higher sequence number counts
 *     128 KiB  header 2        ┘
 *     192 KiB  region table    ┐ two copies
 *     256 KiB  region table    ┘
 *     1 MiB    log, block allocation table (BAT), metadata, blocks: each on a boundary of 1 MiB
 *
 * Specification: [MS-VHDX], section 2. All numbers are little-endian.
 */
import { fields } from '../../bytes.js';
import type { Kernels } from '../../kernels/kernels.js';

export const KIB = 1024;
export const MIB = 1024 * 1024;

/** Section 2.2.1: `vhdxfile`, and who made the file, in UTF-16. */
export const FILE_IDENTIFIER = fields('little', {
  signature: [0, { bytes: 8 }],
  creator: [8, { bytes: 512 }],
});

export const FILE_SIGNATURE = new TextEncoder().encode('vhdxfile');

/** Bytes that the checksum of a header covers. */
export const HEADER_SIZE = 4 * KIB;
export const HEADER_OFFSETS = [64 * KIB, 128 * KIB] as const;

/** Section 2.2.2. */
export const HEADER = fields('little', {
  signature: [0, 'u32'],
  checksum: [4, 'u32'],
  sequenceNumber: [8, 'bits64'],
  fileWriteGuid: [16, { bytes: 16 }],
  dataWriteGuid: [32, { bytes: 16 }],
  /** Zeros: the log is empty. */
  logGuid: [48, { bytes: 16 }],
  logVersion: [64, 'u16'],
  version: [66, 'u16'],
  logLength: [68, 'u32'],
  logOffset: [72, 'u64'],
});

/** `head` */
export const HEADER_SIGNATURE = 0x64616568;

export const REGION_TABLE_SIZE = 64 * KIB;
export const REGION_TABLE_OFFSETS = [192 * KIB, 256 * KIB] as const;

/** Section 2.2.3. */
export const REGION_TABLE = fields('little', {
  signature: [0, 'u32'],
  checksum: [4, 'u32'],
  entryCount: [8, 'u32'],
});

/** `regi` */
export const REGION_SIGNATURE = 0x69676572;
export const MOST_REGIONS = 2047;
export const FIRST_REGION = 16;

export const REGION_ENTRY = fields('little', {
  guid: [0, { bytes: 16 }],
  offset: [16, 'u64'],
  length: [24, 'u32'],
  /** Bit 0: who does not know the region must not open the file. */
  flags: [28, 'u32'],
});

export const REGIONS = {
  bat: '2DC27766-F623-4200-9D64-115E9BFD4A08',
  metadata: '8B7CA206-4790-4B9A-B8FE-575F050F886E',
} as const;

export const METADATA_TABLE_SIZE = 64 * KIB;

/** Section 2.6.1.1. */
export const METADATA_TABLE = fields('little', {
  signature: [0, { bytes: 8 }],
  entryCount: [10, 'u16'],
});

export const METADATA_SIGNATURE = new TextEncoder().encode('metadata');
export const MOST_METADATA = 2047;
export const METADATA_ENTRY_SIZE = 32;

/** Section 2.6.1.2. */
export const METADATA_ENTRY = fields('little', {
  id: [0, { bytes: 16 }],
  /** From the start of the region. */
  offset: [16, 'u32'],
  length: [20, 'u32'],
  flags: [24, 'u32'],
});

export const METADATA_FLAGS = { virtualDisk: 2, required: 4 } as const;

/** Section 2.6.2. */
export const METADATA = {
  fileParameters: 'CAA16737-FA36-4D43-B3B6-33F0AA44E76B',
  diskSize: '2FA54224-CD1B-4876-B211-5DBED83BF4B8',
  diskId: 'BECA12AB-B2E6-4523-93EF-C309E000C746',
  logicalSector: '8141BF1D-A96F-4709-BA47-F233A8FAAB5F',
  physicalSector: 'CDA348C7-445D-4471-9CC9-E9885251C556',
  parentLocator: 'A8D35F2D-B30B-454D-ABF7-D3D84834AB0C',
} as const;

export const FILE_PARAMETERS = fields('little', { blockSize: [0, 'u32'], flags: [4, 'u32'] });

export const FILE_FLAGS = { leaveAllocated: 1, hasParent: 2 } as const;

/** Sectors that one sector bitmap block describes: as many payload blocks share a chunk. */
export const SECTORS_PER_CHUNK = 2 ** 23;

export const LIMITS = { leastBlock: MIB, mostBlock: 256 * MIB, diskSize: 64 * 1024 ** 4 } as const;

/** Section 2.5.1.1; 5 is what drafts of the format wrote for `unmapped`. */
export const BLOCK_STATE = {
  notPresent: 0,
  undefined: 1,
  zero: 2,
  unmapped: 3,
  unmappedDraft: 5,
  fullyPresent: 6,
  partiallyPresent: 7,
} as const;

/** Section 2.5.1.2. */
export const BITMAP_STATE = { notPresent: 0, present: 6 } as const;

/** The checksum of `bytes` with its own field, at `at`, taken as zeros. */
export function checksumOf(kernels: Kernels, bytes: Uint8Array, at = 4): number {
  const copy = bytes.slice();
  copy.fill(0, at, at + 4);
  return kernels.crc32c(copy);
}
