/**
 * What literals say about the data: how dear they are, and whether looking for matches is worth while at all.
 *
 * Data that is compressed already has no matches and all bytes equally often. Where that is so, most of it is passed
 * without a search: after a stretch that looked random more becomes literals unseen, twice as much the next time. While
 * it is passed it is watched piece by piece: where bytes are not spread evenly any more, the search goes on.
 * Repetitions of random bytes can be missed, a few KiB where they begin; that is the price.
 */
import { SHORTEST_MATCH } from './format';
import { LITERAL_FLAGS, LITLEN_COUNTS, PIECE_COUNTS } from './workspace';

/** Bytes at the start of a block that are looked at. */
const SURVEY_BYTES: usize = 4096;

/** How many different bytes the first part of [start, end) holds: 1 to 256, 0 for none. */
export function surveyLiterals(start: usize, end: usize): u32 {
  memory.fill(LITERAL_FLAGS, 0, 256);
  const stop = min(end, start + SURVEY_BYTES);
  for (let at = start; at < stop; at++) store<u8>(LITERAL_FLAGS + <usize>load<u8>(at), 1);
  let different: u32 = 0;
  for (let value: usize = 0; value < 256; value++) different += load<u8>(LITERAL_FLAGS + value);
  return different;
}

/**
 * The shortest match that a parser which does not know costs should take. A match costs some 20 bits; a literal of few
 * different ones (digits, bases of a genome, bitmaps) costs so little that three or four of them are cheaper. A shallow
 * search would not find the long matches that it then has to wait for, so `depth` bounds the answer.
 */
export function shortestUseful(different: u32, depth: u32): u32 {
  if (different >= 80) return SHORTEST_MATCH;
  let shortest: u32 = 4;
  if (different < 45) shortest = 5;
  if (different < 16) shortest = 6;
  if (different < 10) shortest = 7;
  if (different < 6) shortest = 9;
  if (depth < 5) return min(shortest, 4);
  if (depth < 10) return min(shortest, 5);
  return depth < 16 ? min(shortest, 7) : shortest;
}

/** Literals that must have been counted before they are judged. */
const FEWEST_LITERALS: u32 = 2048;

/** Bytes that are passed unseen, the first time and at most; the longest bounds what is missed where data changes. */
const FIRST_PASS: u32 = 1024;
export const LONGEST_PASS: u32 = 8192;

/** Bytes that are watched together while they are passed. */
const PIECE: usize = 256;

/**
 * Most that the squares of a piece's counts sum up to: for random bytes they are 511 on average, and more than 600 three
 * times in ten thousand; for text they are thousands.
 */
const EVEN_PIECE: u32 = 600;

let searchedFrom: usize = 0;
let literalsBefore: u32 = 0;
let pass: u32 = 0;

/** Begins to watch a new block. */
export function openLiterals(at: usize): void {
  searchedFrom = at;
  literalsBefore = 0;
  pass = 0;
}

let literals: u32 = 0;
let squares: u64 = 0;

/** Sums up the counts of the block's literals, and their squares. */
function sumLiterals(): void {
  let sums = i32x4.splat(0);
  let products = i64x2.splat(0);
  for (let counts = LITLEN_COUNTS; counts < LITLEN_COUNTS + 1024; counts += 16) {
    const four = v128.load(counts);
    sums = i32x4.add(sums, four);
    products = i64x2.add(products, i64x2.extmul_low_i32x4_u(four, four));
    products = i64x2.add(products, i64x2.extmul_high_i32x4_u(four, four));
  }
  squares = i64x2.extract_lane(products, 0) + i64x2.extract_lane(products, 1);
  literals = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
  literals += i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}

/**
 * How many bytes from `at` on should become literals without a search: 0 unless what was searched since the last call
 * had (nearly) no match and the block's literals are spread evenly. They are counted here; `end` bounds them.
 */
export function passRandom(at: usize, end: usize): u32 {
  sumLiterals();
  const searched = <u32>(at - searchedFrom);
  const random = literals - literalsBefore >= searched - (searched >> 6) && isEven();
  pass = random ? min(max(pass << 1, FIRST_PASS), LONGEST_PASS) : 0;
  const stop = at + min(<usize>pass, end - at);
  let from = at;
  while (stop - from >= PIECE && passPiece(from)) from += PIECE;
  const passed = <u32>(from - at);
  searchedFrom = from;
  literalsBefore = literals + passed;
  return passed;
}

/**
 * Whether the squares of the counts sum up to about what equal chances give: n^2 / 256 + n. An eighth more is still
 * 7.8 bits a byte.
 */
function isEven(): bool {
  const n = <u64>literals;
  return literals >= FEWEST_LITERALS && squares << 8 <= n * n + ((n * n) >> 3) + (n << 8);
}

/** Counts a piece among the block's literals if its bytes are spread evenly. */
function passPiece(from: usize): bool {
  memory.fill(PIECE_COUNTS, 0, 512);
  for (let at = from; at < from + PIECE; at++) {
    const count = PIECE_COUNTS + (<usize>load<u8>(at) << 1);
    store<u16>(count, load<u16>(count) + 1);
  }
  let sum = i32x4.splat(0);
  for (let at: usize = 0; at < 512; at += 16) {
    const eight = v128.load(PIECE_COUNTS + at);
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(eight, eight));
  }
  const squared: u32 =
    i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
  if (squared > EVEN_PIECE) return false;
  for (let at: usize = 0; at < 512; at += 16) {
    const eight = v128.load(PIECE_COUNTS + at);
    const counts = LITLEN_COUNTS + (at << 1);
    v128.store(counts, i32x4.add(v128.load(counts), i32x4.extend_low_i16x8_u(eight)));
    v128.store(counts, i32x4.add(v128.load(counts, 16), i32x4.extend_high_i16x8_u(eight)), 16);
  }
  return true;
}
