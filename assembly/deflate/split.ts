/**
 * Where a block should end.
 *
 * A new block costs a header and gains codes that fit what follows. The best division would have to try them all;
 * instead the kinds of symbols are watched. Every `CHECK_BYTES` of source, what came since the last check is compared
 * with what the block had before: if the shares of ten classes differ by enough, the block ends. The classes are coarse
 * on purpose: literals by their two highest bits and the lowest one (text, code, numbers, tables), matches by whether
 * they are long. (The idea is libdeflate's; there the classes are counted with every symbol.)
 *
 * Here nothing is counted for it: the block's symbol counts are there anyway, and summing them up at each check is a
 * hundred vector additions.
 */
import { FIRST_LENGTH, LENGTH_SLOTS } from './format';
import { LITLEN_COUNTS, SPLIT_COUNTS } from './workspace';

/** Source bytes between checks. */
export const CHECK_BYTES: usize = 2048;

/** Source bytes that are searched between two passes over random data. */
export const CHECK_AFTER_PASS: usize = 512;

/** A block is not ended before it holds this many bytes, nor when as few are left: its header would not pay. */
const SHORTEST_BLOCK: usize = 5000;

/** Symbols that are compared at least; fewer say little about shares. */
const FEWEST_SYMBOLS: u32 = 512;

const CLASSES: u32 = 10;

/** The first class of matches, and the first slot (length 9) that counts as long. */
const SHORT_MATCHES: usize = 8;
const FIRST_LONG_SLOT: u32 = 6;

/** The sum of differences of shares, in 512ths, that ends a block. */
const THRESHOLD: u32 = 200;

/** Every so many bytes of a block, up to a length, lower the threshold by one share of its symbols. */
const PATIENCE: usize = 4096;
const MOST_PATIENCE: usize = 131072;

/** Blocks below this length and number of symbols are ended only for twice the reason. */
const SHORT_BLOCK: usize = 10000;
const FEW_SYMBOLS: u32 = 8192;

// u32 each: classes of the block up to the last check that found nothing, then up to now.
const OLD: usize = SPLIT_COUNTS;
const NOW: usize = OLD + <usize>CLASSES * 4;

let oldSymbols: u32 = 0;

/** Begins to watch a new block. */
export function openSplit(): void {
  memory.fill(OLD, 0, <usize>CLASSES * 4);
  oldSymbols = 0;
}

/** Sums the counts up by class. Returns how many symbols there are. */
function sumClasses(): u32 {
  let symbols: u32 = 0;
  for (let quarter: usize = 0; quarter < 4; quarter++) {
    let sums = i32x4.splat(0);
    const from = LITLEN_COUNTS + quarter * 256;
    for (let at = from; at < from + 256; at += 16) sums = i32x4.add(sums, v128.load(at));
    const even: u32 = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 2);
    const odd: u32 = i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 3);
    store<u32>(NOW + quarter * 8, even);
    store<u32>(NOW + quarter * 8, odd, 4);
    symbols += even + odd;
  }
  let short: u32 = 0;
  let long: u32 = 0;
  for (let slot: u32 = 0; slot < LENGTH_SLOTS; slot++) {
    const count = load<u32>(LITLEN_COUNTS + ((FIRST_LENGTH + slot) << 2));
    if (slot < FIRST_LONG_SLOT) short += count;
    else long += count;
  }
  store<u32>(NOW + SHORT_MATCHES * 4, short);
  store<u32>(NOW + SHORT_MATCHES * 4, long, 4);
  return symbols + short + long;
}

/** Whether the block of `length` bytes so far should end here; `left` bytes of source follow. */
export function shouldSplit(length: usize, left: usize): bool {
  if (length < SHORTEST_BLOCK || left < SHORTEST_BLOCK) return false;
  const symbols = sumClasses();
  const newSymbols = symbols - oldSymbols;
  if (newSymbols < FEWEST_SYMBOLS) return false;
  if (oldSymbols > 0 && differs(length, newSymbols)) return true;
  memory.copy(OLD, NOW, <usize>CLASSES * 4);
  oldSymbols = symbols;
  return false;
}

/** Compares shares without dividing: both sides are multiplied by both numbers of symbols. */
function differs(length: usize, newSymbols: u32): bool {
  let difference: u64 = 0;
  for (let index: usize = 0; index < CLASSES; index++) {
    const old: u64 = load<u32>(OLD + index * 4);
    const recent: u64 = load<u32>(NOW + index * 4) - <u32>old;
    const expected = old * newSymbols;
    const actual = recent * oldSymbols;
    difference += actual > expected ? actual - expected : expected - actual;
  }
  let threshold = (<u64>newSymbols * THRESHOLD * oldSymbols) >> 9;
  const symbols = oldSymbols + newSymbols;
  if (length < SHORT_BLOCK && symbols < FEW_SYMBOLS) threshold += (threshold * (FEW_SYMBOLS - symbols)) >> 13;
  return difference + <u64>(min(length, MOST_PATIENCE) / PATIENCE) * oldSymbols >= threshold;
}
