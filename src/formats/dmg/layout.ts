/**
 * The structures of a UDIF image (Apple's .dmg), all big-endian.
 *
 *     data fork    chunks of the disk, plain or compressed
 *     resources    tables of chunks, as a property list or a resource fork
 *     trailer      512 bytes, at the end or near it
 *
 * Apple has published no specification.
 */
import { fields } from '../../bytes.js';

export const SECTOR = 512;

/** The trailer; forks are given by their first byte and length. */
export const TRAILER = fields('big', {
  magic: [0, 'u32'],
  version: [4, 'u32'],
  size: [8, 'u32'],
  dataForkOffset: [24, 'u64'],
  resourceForkOffset: [40, 'u64'],
  resourceForkLength: [48, 'u64'],
  propertyListOffset: [216, 'u64'],
  propertyListLength: [224, 'u64'],
  /** Sectors of the disk. */
  sectors: [492, 'u64'],
});

export type Trailer = ReturnType<typeof TRAILER.read>;

export const TRAILER_SIZE = 512;
/** "koly". */
export const TRAILER_MAGIC = 0x6b6f6c79;

/** A table of chunks. */
export const TABLE = fields('big', {
  magic: [0, 'u32'],
  /** Sector of the disk from which on the chunks are counted. */
  firstSector: [8, 'u64'],
  /** Byte of the data fork from which on their places are counted. */
  dataOffset: [24, 'u64'],
});

/** "mish". */
export const TABLE_MAGIC = 0x6d697368;
export const TABLE_HEADER_SIZE = 204;

/** A chunk. */
export const CHUNK = fields('big', {
  type: [0, 'u32'],
  firstSector: [8, 'u64'],
  sectors: [16, 'u64'],
  offset: [24, 'u64'],
  length: [32, 'u64'],
});

export const CHUNK_SIZE = 40;

/** Types of chunks. */
export const TYPE = {
  zero: 0,
  raw: 1,
  /** Nobody uses what is there; reads as zeros. */
  ignore: 2,
  adc: 0x80000004,
  zlib: 0x80000005,
  bzip2: 0x80000006,
  lzfse: 0x80000007,
  lzma: 0x80000008,
  comment: 0x7ffffffe,
  end: 0xffffffff,
} as const;

/** QEMU's limits, bytes: of a chunk on the disk or in the file, of the property list. */
export const LIMITS = { chunk: 64 * 1024 * 1024, resources: 16 * 1024 * 1024 } as const;
