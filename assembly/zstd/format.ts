/**
 * Zstandard: the numbers of the format (RFC 8878), for decoder and encoder alike.
 *
 * A frame is a header, blocks of at most 128 KiB, and perhaps a checksum. A compressed block is a literals section
 * (bytes that no match explains, Huffman-coded) and a sequences section (triples of literal length, match length and
 * offset, each coded by its own FSE table). Executing a sequence copies literals, then a match from the bytes before.
 *
 * Lengths and offsets are split into a *code*, which FSE compresses, and extra bits, which are stored as they are. The
 * code tables below are those of RFC 8878 section 3.1.1.3.2.1.1, one value a code: the smallest length or offset value,
 * and the number of extra bits.
 */

/** RFC 8878 section 3.1.1: `Magic_Number`. */
export const FRAME_MAGIC: u32 = 0xfd2fb528;
/** Section 3.1.2: skippable frames have sixteen magic numbers; the low four bits are free. */
export const SKIPPABLE_MAGIC: u32 = 0x184d2a50;
export const SKIPPABLE_MASK: u32 = 0xfffffff0;

/** `Block_Maximum_Size` (section 3.1.1.2.4) unless the window is smaller. Bytes. */
export const BLOCK_MAXIMUM: i32 = 128 * 1024;
export const BLOCK_HEADER_SIZE: i32 = 3;

export const BLOCK_RAW: u32 = 0;
export const BLOCK_RLE: u32 = 1;
export const BLOCK_COMPRESSED: u32 = 2;

export const LITERALS_RAW: u32 = 0;
export const LITERALS_RLE: u32 = 1;
export const LITERALS_COMPRESSED: u32 = 2;
export const LITERALS_TREELESS: u32 = 3;

export const MODE_PREDEFINED: u32 = 0;
export const MODE_RLE: u32 = 1;
export const MODE_FSE: u32 = 2;
export const MODE_REPEAT: u32 = 3;

/** Section 4.2.1: no Huffman code is longer than 11 bits. */
export const HUFFMAN_BITS: u32 = 11;
/** Weights run from 0 to 11. */
export const WEIGHT_MAXIMUM: u32 = 11;
/** Section 4.2.1.2: accuracy limit for the FSE table of weights. */
export const WEIGHT_LOG: u32 = 6;

/** Section 3.1.1.3.2.1: accuracy limits of the three sequence tables, and their largest codes. */
export const LENGTH_LOG: u32 = 9;
export const OFFSET_LOG: u32 = 8;
export const LITERAL_LENGTH_CODES: u32 = 36;
export const MATCH_LENGTH_CODES: u32 = 53;
/** What the reference decoder takes: codes up to 31, so that an offset value fits 32 bits. */
export const OFFSET_CODES: u32 = 32;

export const MINIMUM_MATCH: u32 = 3;
/** Section 3.1.1.5: repeated offsets at the start of a frame. */
export const REPEAT_1: u32 = 1;
export const REPEAT_2: u32 = 4;
export const REPEAT_3: u32 = 8;

/** Section 3.1.1.3.2.2: accuracies of the predefined tables. */
export const PREDEFINED_LENGTH_LOG: u32 = 6;
export const PREDEFINED_OFFSET_LOG: u32 = 5;
export const PREDEFINED_OFFSET_CODES: u32 = 29;

/** The smallest literal length of each code: u32 each. */
export const LITERAL_LENGTH_BASE: usize = memory.data<u32>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024,
  2048, 4096, 8192, 16384, 32768, 65536,
]);

/** Extra bits of each literal length code: u8 each. */
export const LITERAL_LENGTH_BITS: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
]);

/** The smallest match length of each code: u32 each. */
export const MATCH_LENGTH_BASE: usize = memory.data<u32>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33,
  34, 35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539,
]);

/** Extra bits of each match length code: u8 each. */
export const MATCH_LENGTH_BITS: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3,
  3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
]);

/** Offset code n stands for an offset value of 2^n and n extra bits. */
export const OFFSET_BASE: usize = memory.data<u32>([
  0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 0x8000, 0x10000,
  0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000, 0x800000, 0x1000000, 0x2000000, 0x4000000, 0x8000000,
  0x10000000, 0x20000000, 0x40000000, 0x80000000,
]);

export const OFFSET_BITS: usize = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
]);

/** Predefined distributions (section 3.1.1.3.2.2): probabilities in i16, -1 for "less than one". */
export const LITERAL_LENGTH_DEFAULT: usize = memory.data<i16>([
  4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
]);

export const MATCH_LENGTH_DEFAULT: usize = memory.data<i16>([
  1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
]);

export const OFFSET_DEFAULT: usize = memory.data<i16>([
  1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
]);
