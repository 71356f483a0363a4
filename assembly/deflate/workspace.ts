/**
 * Deflate's part of the memory map.
 *
 *   counts     how often each symbol occurs in the current block (u32)
 *   codes      lengths (u8) and codes (see huffman.ts) of the current block and of the fixed block
 *   header     the code lengths as they will be sent
 *   matcher    heads and links of the match finder
 *   sequences  what the parser chose for the current block
 *   nodes      costs and choices of the optimal parser
 *   matches    every match that it may choose from
 *
 * A sequence is a run of literals and the match behind it, eight bytes:
 *
 *   u32  literals: how many; they are where the source is
 *   u32  bits 0..8 length of the match, 0 at the end of a block; bits 9..13 slot of the distance; bits 16..30
 *   distance - 1
 */
import { DEFLATE_WORKSPACE, DEFLATE_WORKSPACE_SIZE } from '../memory';

const KIB: usize = 1024;

/** u32 by symbol: 286 literals and lengths (room for 288), then 30 distances (room for 32), 19 code lengths. */
export const LITLEN_COUNTS: usize = DEFLATE_WORKSPACE;
export const DISTANCE_COUNTS: usize = LITLEN_COUNTS + 288 * 4;
export const PRECODE_COUNTS: usize = DISTANCE_COUNTS + 32 * 4;
/** Counts of the classes that block splitting compares; see split.ts. */
export const SPLIT_COUNTS: usize = DEFLATE_WORKSPACE + 2 * KIB;

/** Code lengths by symbol, u8. */
export const LITLEN_LENGTHS: usize = DEFLATE_WORKSPACE + 3 * KIB;
export const DISTANCE_LENGTHS: usize = LITLEN_LENGTHS + 288;
export const PRECODE_LENGTHS: usize = DISTANCE_LENGTHS + 32;
export const FIXED_LITLEN_LENGTHS: usize = PRECODE_LENGTHS + 32;
export const FIXED_DISTANCE_LENGTHS: usize = FIXED_LITLEN_LENGTHS + 288;

/** u32 by symbol: the code, and its length from bit 24 on. */
export const LITLEN_CODES: usize = DEFLATE_WORKSPACE + 4 * KIB;
export const DISTANCE_CODES: usize = LITLEN_CODES + 288 * 4;
export const PRECODE_CODES: usize = DISTANCE_CODES + 32 * 4;
export const FIXED_LITLEN_CODES: usize = DEFLATE_WORKSPACE + 6 * KIB;
export const FIXED_DISTANCE_CODES: usize = FIXED_LITLEN_CODES + 288 * 4;
/** u32 by length: code of the slot and extra bits together, and their length from bit 24 on. */
export const MATCH_LENGTH_CODES: usize = DEFLATE_WORKSPACE + 8 * KIB;
/** u64 by slot of a distance; see block.ts. */
export const MATCH_DISTANCE_CODES: usize = MATCH_LENGTH_CODES + 260 * 4;

/** The code lengths of a block in the order they are sent (u8), and what is sent for them (u16 each). */
export const SENT_LENGTHS: usize = DEFLATE_WORKSPACE + 10 * KIB;
export const HEADER_ITEMS: usize = SENT_LENGTHS + 320;
/** u8 by literal: whether it occurs; see literals.ts. */
export const LITERAL_FLAGS: usize = DEFLATE_WORKSPACE + 11 * KIB;
/** u16 by literal: counts of a piece; see literals.ts. */
export const PIECE_COUNTS: usize = LITERAL_FLAGS + 256;
/** Scratch of code construction; see huffman.ts. */
export const HUFFMAN_SCRATCH: usize = DEFLATE_WORKSPACE + 12 * KIB;
/** u32 each, what the optimal parser believes that a literal, a length (to 258) and a slot of a distance cost. */
export const LITERAL_COSTS: usize = DEFLATE_WORKSPACE + 20 * KIB;
export const LENGTH_COSTS: usize = LITERAL_COSTS + 256 * 4;
export const DISTANCE_COSTS: usize = LENGTH_COSTS + 260 * 4;

/** Up to 512 KiB. */
export const MATCHER: usize = DEFLATE_WORKSPACE + 64 * KIB;

/**
 * The sequences of a block: so many that splitting ends most blocks long before, while a block of long matches may hold
 * a whole unit.
 */
export const SEQUENCES: usize = MATCHER + 512 * KIB;
export const SEQUENCES_SIZE: usize = 54 * KIB * 8;

/** Blocks of the optimal parser are half as long. */
export const LONGEST_OPTIMAL_BLOCK: usize = 64 * KIB;

/** Eight bytes a position of a block, and one more; see optimal.ts. */
export const NODES: usize = SEQUENCES + SEQUENCES_SIZE;
const NODES_SIZE: usize = (LONGEST_OPTIMAL_BLOCK + 1024) * 8;

/** u32 each: the matches of each position and, behind them, how many they are. */
export const MATCHES: usize = NODES + NODES_SIZE;
export const MATCHES_END: usize = DEFLATE_WORKSPACE + DEFLATE_WORKSPACE_SIZE;

@inline
export function packMatch(length: u32, slot: u32, distance: u32): u32 {
  return length | (slot << 9) | ((distance - 1) << 16);
}
