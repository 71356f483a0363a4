/**
 * The header of a VDI image, version 1.1, as VirtualBox defines it (VDICore.h).
 *
 *     0         header, 512 bytes
 *     bmap      block map: for each block of the disk the number of the block in the file
 *     data      blocks of 1 MiB
 */
import { fields } from '../../bytes.js';

export const SECTOR = 512;
export const BLOCK = 1024 * 1024;

export const HEADER = fields('little', {
  /** "<<< … VM Virtual Disk Image >>>\n"; the words before it vary. */
  text: [0, { bytes: 64 }],
  signature: [64, 'u32'],
  version: [68, 'u32'],
  /** Bytes of the header from `headerSize` on. */
  headerSize: [72, 'u32'],
  imageType: [76, 'u32'],
  imageFlags: [80, 'u32'],
  description: [84, { bytes: 256 }],
  /** Bytes of the file. */
  mapOffset: [340, 'u32'],
  dataOffset: [344, 'u32'],
  cylinders: [348, 'u32'],
  heads: [352, 'u32'],
  sectors: [356, 'u32'],
  sectorSize: [360, 'u32'],
  unused: [364, 'u32'],
  /** Bytes of the guest's disk. */
  diskSize: [368, 'u64'],
  blockSize: [376, 'u32'],
  blockExtra: [380, 'u32'],
  blocksInImage: [384, 'u32'],
  blocksAllocated: [388, 'u32'],
  /** Of the image as such, and of its content: VirtualBox gives that a new one when it has been changed. */
  imageUuid: [392, { bytes: 16 }],
  contentUuid: [408, { bytes: 16 }],
  /** The parent's two, as they were when this image was made over it. */
  parentImageUuid: [424, { bytes: 16 }],
  parentContentUuid: [440, { bytes: 16 }],
  reserved: [456, { bytes: 56 }],
});

export type VdiHeader = ReturnType<typeof HEADER.read>;

export const SIGNATURE = 0xbeda107f;
export const VERSION_1_1 = 0x00010001;
export const TEXT = '<<< QEMU VM Virtual Disk Image >>>\n';
/** What VirtualBox and QEMU store in `headerSize`. */
export const HEADER_SIZE = 0x180;

export const TYPE = { dynamic: 1, static: 2, differencing: 4 } as const;

/**
 * Map entries from here on are no block numbers: 0xfffffffe is a block of zeros, 0xffffffff one never written, which in a
 * differencing image is the parent's.
 */
export const FIRST_SPECIAL = 0xfffffffe;
export const NEVER_WRITTEN = 0xffffffff;

/** QEMU's limit: a map, rounded up to sectors, that is addressed by a signed 32-bit integer. */
export const MOST_BLOCKS = 2 ** 29 - SECTOR / 4;
