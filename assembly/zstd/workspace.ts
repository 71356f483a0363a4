/**
 * Who lives where in the 4 MiB that the memory map gives to zstd. Addresses and sizes in bytes; all areas are aligned
 * to 64 bytes. The decoder's areas and the encoder's do not overlap, because both keep things from one call to the
 * next: the decoder its predefined tables, the encoder the positions in its match tables.
 */
import { ZSTD_WORKSPACE, ZSTD_WORKSPACE_SIZE } from '../memory';
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

// Both, but nothing is kept here.

/** Literals of the current block. */
export const LITERALS: usize = OFFSET_STATES + 2 * KIB;

// Encoder.

/** Sequences of the current block, 8 bytes each: see match-finder. A match has 3 bytes or more. */
export const SEQUENCES: usize = LITERALS + <usize>BLOCK_MAXIMUM + COPY_SLACK;
export const SEQUENCES_LIMIT: usize = <usize>BLOCK_MAXIMUM / 3 + 8;
/** The codes of each sequence, 4 bytes each: see sequences-encode. */
export const CODES: usize = SEQUENCES + 8 * SEQUENCES_LIMIT;
/** The compressed block, while it is not known whether it is worth keeping; streams may be flushed 8 bytes too far. */
export const BLOCK: usize = CODES + 4 * SEQUENCES_LIMIT;
export const BLOCK_SIZE: usize = <usize>BLOCK_MAXIMUM + 4 * KIB;
/** While matches are looked for there is no compressed block yet: the last place of each word of three bytes. */
export const SHORT_WORDS: usize = BLOCK;
export const SHORT_WORDS_LOG: u32 = 15;

/** Four partial histograms of 256 u32 each; the first one receives the sum. */
export const HISTOGRAM: usize = BLOCK + BLOCK_SIZE + COPY_SLACK;
/** How often each code occurs in the block, u32 each. */
export const LITERAL_LENGTH_HISTOGRAM: usize = HISTOGRAM + 4 * KIB;
export const OFFSET_HISTOGRAM: usize = LITERAL_LENGTH_HISTOGRAM + 256;
export const MATCH_LENGTH_HISTOGRAM: usize = OFFSET_HISTOGRAM + 256;
/** FSE tables for encoding: see fse-encode. The last one is for Huffman weights. */
export const LITERAL_LENGTH_CODER: usize = MATCH_LENGTH_HISTOGRAM + 256;
export const OFFSET_CODER: usize = LITERAL_LENGTH_CODER + 2 * KIB;
export const MATCH_LENGTH_CODER: usize = OFFSET_CODER + 2 * KIB;
export const WEIGHT_CODER: usize = MATCH_LENGTH_CODER + 2 * KIB;
/** Distribution tables as they will be written, until their mode is chosen. */
export const DISTRIBUTION: usize = WEIGHT_CODER + 2 * KIB;
/** log2 of 1 to 512 in 1/256 bit, u16 each. */
export const LOGARITHMS: usize = DISTRIBUTION + 256;
/** Codes of literal lengths below 64 and match lengths below 128 + 3, u8 each. */
export const SHORT_LITERAL_LENGTH_CODES: usize = LOGARITHMS + 1088;
export const SHORT_MATCH_LENGTH_CODES: usize = SHORT_LITERAL_LENGTH_CODES + 64;
/** Huffman codes of the literals, u16 each: see huffman-encode. The second set is the candidate for the block. */
export const HUFFMAN_CODES: usize = SHORT_MATCH_LENGTH_CODES + 128;
export const HUFFMAN_CANDIDATE: usize = HUFFMAN_CODES + 512;
/** Literals in ascending order of frequency, u32 each, twice because sorting goes back and forth. */
export const SORTED: usize = HUFFMAN_CANDIDATE + 512;
export const SORTING: usize = SORTED + KIB;
/** Counters of the radix sort, u32 each. */
export const DIGITS: usize = SORTING + KIB;
/** Inner nodes of the Huffman tree: weight u32 each, and parent or depth u32 each. */
export const NODE_WEIGHTS: usize = DIGITS + 2 * KIB;
export const NODE_PARENTS: usize = NODE_WEIGHTS + KIB;

/** Prices in 1/256 bit, u32 each: of literals, and of the codes of lengths and offsets with their extra bits. */
export const LITERAL_PRICES: usize = NODE_PARENTS + KIB;
export const LITERAL_LENGTH_PRICES: usize = LITERAL_PRICES + KIB;
export const MATCH_LENGTH_PRICES: usize = LITERAL_LENGTH_PRICES + 256;
export const OFFSET_PRICES: usize = MATCH_LENGTH_PRICES + 256;
/** The optimal parser settles after this many bytes, and takes matches of this length at once. */
export const STRETCH: usize = 4096;
export const EDGE_LIMIT: usize = 512;
/** Matches of a position: each is longer than the one before it, and the lengths that count are below `EDGE_LIMIT`. */
export const FOUND: usize = OFFSET_PRICES + 256;
export const FOUND_SIZE: usize = 8 * (EDGE_LIMIT + 2);
/**
 * Nodes of the optimal parser, 32 bytes each: see match-optimal. A stretch, and the longest edge from its last node.
 */
export const NODES: usize = FOUND + FOUND_SIZE;

/** Match tables, u32 positions: see match-finder. Their sizes are limits of what levels may ask for. */
export const TABLE_LOG_LIMIT: u32 = 18;
export const CHAIN_LOG_LIMIT: u32 = 19;
export const FIRST_TABLE: usize = (NODES + 32 * (STRETCH + EDGE_LIMIT + 2) + 63) & ~63;
export const SECOND_TABLE: usize = FIRST_TABLE + (<usize>4 << TABLE_LOG_LIMIT);
/** The chain takes the second table's place and more. */
export const CHAIN: usize = SECOND_TABLE;
export const WORKSPACE_END: usize = CHAIN + (<usize>4 << CHAIN_LOG_LIMIT);

/** Stops the build if the areas do not fit. */
export function checkWorkspace(): void {
  if (WORKSPACE_END > ZSTD_WORKSPACE + ZSTD_WORKSPACE_SIZE) ERROR('the zstd workspace is too small');
}
