/**
 * Who lives where in the 4 MiB that the memory map gives to zstd. Addresses and sizes in bytes; all areas are aligned to
 * 64 bytes. The decoder's areas and the encoder's do not overlap, because both keep things from one call to the next:
 * the decoder its predefined tables, the encoder the positions in its match tables.
 */
import { ZSTD_WORKSPACE } from '../memory';
import { BLOCK_MAXIMUM } from './format';

const KIB: usize = 1024;

/** Vector copies may write this many bytes behind what they were asked to copy. */
export const COPY_SLACK: usize = 64;

// Shared by both directions: what FSE needs while a table is made.

/** Normalized counts, i16 a symbol, -1 for "less than one". */
export const COUNTS: usize = ZSTD_WORKSPACE;
/** The symbol of each state before the table is made, u8 a state; the spread writes up to 8 bytes too far. */
export const SPREAD: usize = COUNTS + 512;
/** The next state number of each symbol, u16 a symbol. */
export const NEXT_STATE: usize = SPREAD + 1024;
/** Huffman weights, u8 a symbol. */
export const WEIGHTS: usize = NEXT_STATE + 512;
/** Counters a Huffman weight, u32 each. */
export const RANKS: usize = WEIGHTS + 512;

// Decoder.

/** 2^11 entries of two bytes: see huffman-decode. */
export const HUFFMAN_TABLE: usize = RANKS + 128;
/** States of 8 bytes: see fse-decode. Predefined tables are built once, the others a block. */
export const WEIGHT_STATES: usize = HUFFMAN_TABLE + 4 * KIB;
export const LITERAL_LENGTH_PREDEFINED: usize = WEIGHT_STATES + 512;
export const MATCH_LENGTH_PREDEFINED: usize = LITERAL_LENGTH_PREDEFINED + 512;
export const OFFSET_PREDEFINED: usize = MATCH_LENGTH_PREDEFINED + 512;
export const LITERAL_LENGTH_STATES: usize = OFFSET_PREDEFINED + 256;
export const MATCH_LENGTH_STATES: usize = LITERAL_LENGTH_STATES + 4 * KIB;
export const OFFSET_STATES: usize = MATCH_LENGTH_STATES + 4 * KIB;
/** Literals of the current block. */
export const LITERALS: usize = OFFSET_STATES + 2 * KIB;

export const DECODER_END: usize = LITERALS + <usize>BLOCK_MAXIMUM + COPY_SLACK;
