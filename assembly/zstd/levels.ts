/**
 * Levels 1 to 19: which match finder, with which tables, and how hard it tries.
 *
 * The levels follow zstd's own levels for inputs of up to 128 KiB, which is where disk clusters are: each number gives
 * about the same size of result there and here. Two differences: level 13 starts with matches of three bytes, which
 * zstd does from 14 on, and there are no binary trees, so 10 to 12 and 16 to 19 reach their size with long chains.
 *
 *   level  finder   what changes
 *    1-2   fast     a larger table and shorter words
 *    3-4   double   3 is the default; 4 has larger tables and shorter words
 *    5     chain    greedy, 8 attempts
 *    6-7   chain    lazy: one byte, then two
 *    8-12  chain    16 to 256 attempts
 *   13-19  optimal  4 to 256 attempts; 19 rehearses twice
 *
 * Tables are fitted to the frame. One of 4 KiB needs no table of 2^16 entries, and profits from shorter words, because
 * there are so few matches that every one counts. A large one has more words to tell apart.
 */
import { findChained } from './match-chain';
import { findDouble } from './match-double';
import { findFast } from './match-fast';
import { findOptimal } from './match-optimal';
import { CHAIN_LOG_LIMIT, TABLE_LOG_LIMIT } from './workspace';

const LEVEL_LIMIT: i32 = 19;

const FAST: u32 = 0;
const DOUBLE: u32 = 1;
const CHAIN: u32 = 2;
// 3 is the optimal parser, which works on chains too.

/** Bytes of a row of `LEVELS`. */
const ROW: usize = 7;
/** A match long enough to end a search is given in units of this many bytes. */
const ENOUGH_SHIFT: usize = 3;

/**
 * One row a level: finder, log of the first table's entries, log of the second's or of the chain's, bytes of a word,
 * log of the attempts, patience (chain) or rehearsals (optimal), length that is enough.
 */
const LEVELS: usize = memory.data<u8>([
  0, 13,  0, 6,  0, 0,  0,
  0, 15,  0, 5,  0, 0,  0,
  1, 16, 15, 5,  0, 0,  0,
  1, 17, 17, 4,  0, 0,  0,
  2, 16, 17, 4,  3, 0,  8,
  2, 16, 17, 4,  3, 1,  8,
  2, 16, 17, 4,  3, 2,  8,
  2, 17, 18, 4,  4, 2, 16,
  2, 17, 18, 4,  5, 2, 16,
  2, 17, 19, 4,  6, 2, 16,
  2, 17, 19, 4,  7, 2, 32,
  2, 17, 19, 4,  8, 2, 32,
  3, 17, 19, 4,  2, 1,  8,
  3, 17, 19, 4,  3, 1,  8,
  3, 17, 19, 4,  4, 1, 16,
  3, 17, 19, 4,  5, 1, 16,
  3, 17, 19, 4,  6, 1, 32,
  3, 17, 19, 4,  7, 1, 64,
  3, 17, 19, 4,  8, 2, 64,
]);

/** Up to here, words are one byte shorter. Bytes. */
const SMALL_FRAME: u32 = 16 * 1024;
/** From here on, tables are twice as large, and the chain links words of five bytes. Bytes. */
const LARGE_FRAME: u32 = 256 * 1024;
const SMALLEST_WORD: u32 = 4;
const LARGE_FRAME_CHAIN_WORD: u32 = 5;

/**
 * Finds matches for the block from `source` to `end` in a frame of `frameSize` bytes. `offset1` and `offset2` are the
 * last offsets that the decoder remembers. Levels beyond 1 to 19 mean the nearest one.
 */
export function findMatches(source: usize, end: usize, frameSize: u32, level: i32, offset1: u32, offset2: u32): void {
  const row = LEVELS + <usize>(max(1, min(level, LEVEL_LIMIT)) - 1) * ROW;
  const finder = <u32>load<u8>(row);
  let firstLog = <u32>load<u8>(row, 1);
  let secondLog = <u32>load<u8>(row, 2);
  let word = <u32>load<u8>(row, 3);
  if (frameSize <= SMALL_FRAME) {
    word = max(SMALLEST_WORD, word - 1);
  } else if (frameSize > LARGE_FRAME) {
    firstLog++;
    secondLog++;
    if (finder >= CHAIN) word = LARGE_FRAME_CHAIN_WORD;
  }
  // More entries than twice the positions are of no use.
  const fitting: u32 = 33 - clz<u32>(frameSize - 1);
  firstLog = min(min(firstLog, TABLE_LOG_LIMIT), fitting);
  if (finder == FAST) {
    findFast(source, end, firstLog, word, offset1, offset2);
    return;
  }
  if (finder == DOUBLE) {
    secondLog = min(min(secondLog, TABLE_LOG_LIMIT), fitting);
    findDouble(source, end, firstLog, secondLog, word, offset1, offset2);
    return;
  }
  secondLog = min(min(secondLog, CHAIN_LOG_LIMIT), fitting);
  const attempts: u32 = 1 << load<u8>(row, 4);
  const persistence = <u32>load<u8>(row, 5);
  const enough = <usize>load<u8>(row, 6) << ENOUGH_SHIFT;
  if (finder == CHAIN) {
    findChained(source, end, firstLog, secondLog, word, attempts, persistence, enough, offset1, offset2);
  } else {
    findOptimal(source, end, firstLog, secondLog, word, attempts, enough, persistence);
  }
}
