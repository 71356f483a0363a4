/**
 * Huffman-coded literals: tree description, decoding table, streams (RFC 8878 section 4.2).
 *
 * Algorithm. A code is found by looking up the next 11 bits, the longest code there may be, whatever the depth of the
 * tree: a fixed shift is cheaper in every step than a smaller table is in building. An entry is two bytes, length of
 * the code in the low byte and literal in the high byte; 2^11 of them (4 KiB) stay in the L1 cache.
 *
 * Optimizations.
 * - Four streams are decoded in one loop. Each is a chain of dependent look-ups; four of them hide each other's
 *   latency.
 * - A stream's state is one u64 and one address. The word holds the next bits at the top and below them a single 1 as
 *   mark, put in when the word is loaded; shifting codes out moves the mark along, so the number of bits taken is the
 *   number of zeros below the mark, and no counter is kept. A load gives at least 56 bits: five codes.
 * - The entry's low byte is used as shift count without a mask, because WebAssembly takes shift counts modulo 64.
 * - The loop checks nothing: rounds are counted in advance from the space left (5 literals a round) and from the input
 *   left (7 bytes a round at most), again and again until there is no whole round; the rest is done stream by stream.
 */
import { streamBits, loadBits, topBits } from './backward-bits';
import {
  buildStates, distributionLog, distributionSymbols, nextBase, nextBits, readDistribution, stateValue,
} from './fse-decode';
import { HUFFMAN_BITS, WEIGHT_LOG, WEIGHT_MAXIMUM } from './format';
import { CORRUPT, TRUNCATED } from './status';
import { COUNTS, HUFFMAN_TABLE, RANKS, WEIGHTS, WEIGHT_STATES } from './workspace';

/** 255 weights at most are stored; the last one follows from the others. */
const STORED_WEIGHTS: i32 = 255;
/** A first byte from here on says how many weights are stored as plain nibbles, plus 127. */
const DIRECT_WEIGHTS: u32 = 128;
/** Codes that surely fit the bits of one load. */
const CODES_A_LOAD: usize = 5;
/** A round of five codes takes 55 bits, and with what was left over moves a stream by seven bytes at most. */
const BYTES_A_ROUND: usize = 7;
/** 64 - HUFFMAN_BITS: brings the next code to the bottom. */
const CODE_SHIFT: u64 = 64 - <u64>HUFFMAN_BITS;

/**
 * Weights that are packed by FSE: two states take turns until the bits run out (section 4.2.1.2). Returns their number.
 */
function readPackedWeights(start: usize, end: usize): i32 {
  const used = readDistribution(start, end, WEIGHT_MAXIMUM + 1, WEIGHT_LOG);
  if (used < 0) return used;
  buildStates(WEIGHT_STATES, COUNTS, distributionSymbols, distributionLog, 0, 0);
  const stream = start + used;
  let position = streamBits(stream, <i32>(end - stream));
  const log = <i32>distributionLog;
  if (position < 2 * log) return CORRUPT;
  let bits = loadBits(stream, position);
  let state = load<u64>(WEIGHT_STATES + (<usize>topBits(bits, log) << 3));
  let other = load<u64>(WEIGHT_STATES + (<usize>topBits(bits << log, log) << 3));
  position -= 2 * log;
  for (let count = 0; count < STORED_WEIGHTS - 1; ) {
    store<u8>(WEIGHTS + count++, <u8>stateValue(state));
    const need = nextBits(state);
    if (position < <i32>need) {
      store<u8>(WEIGHTS + count++, <u8>stateValue(other));
      return count;
    }
    bits = loadBits(stream, position);
    position -= <i32>need;
    const next = load<u64>(WEIGHT_STATES + (<usize>(nextBase(state) + topBits(bits, need)) << 3));
    state = other;
    other = next;
  }
  return CORRUPT;
}

/** Weights in four bits each, first one in the upper half of a byte (section 4.2.1.1). */
function readPlainWeights(start: usize, count: i32): void {
  for (let i = 0; i < count; i += 2) {
    const pair = <u32>load<u8>(start + (i >> 1));
    store<u8>(WEIGHTS + i, <u8>(pair >> 4));
    store<u8>(WEIGHTS + i + 1, <u8>(pair & 15));
  }
}

/** Adds the weight that is not stored, so that the code space is filled; returns the depth of the tree or a status. */
function completeWeights(count: i32): i32 {
  memory.fill(RANKS, 0, (WEIGHT_MAXIMUM + 1) << 2);
  let total: u32 = 0;
  for (let i = 0; i < count; i++) {
    const weight = <u32>load<u8>(WEIGHTS + i);
    if (weight > WEIGHT_MAXIMUM) return CORRUPT;
    countRank(weight);
    total += (1 << weight) >> 1;
  }
  if (total == 0) return CORRUPT;
  const depth: u32 = 32 - clz<u32>(total);
  if (depth > HUFFMAN_BITS) return CORRUPT;
  const rest: u32 = (1 << depth) - total;
  if ((rest & (rest - 1)) != 0) return CORRUPT;
  const last: u32 = 32 - clz<u32>(rest);
  store<u8>(WEIGHTS + count, <u8>last);
  countRank(last);
  // The longest codes come in pairs, or the tree is not complete.
  const longest = load<u32>(RANKS + 4);
  if (longest < 2 || (longest & 1) != 0) return CORRUPT;
  return <i32>depth;
}

@inline
function countRank(weight: u32): void {
  const at = RANKS + (weight << 2);
  store<u32>(at, load<u32>(at) + 1);
}

/** Writes `length` equal entries; 4 at a time, a table has room behind its last. */
@inline
function fillEntries(at: usize, entry: u32, length: u32): void {
  if (length < 4) {
    store<u16>(at, <u16>entry);
    if (length == 2) store<u16>(at + 2, <u16>entry);
    return;
  }
  const four = <u64>entry * 0x0001_0001_0001_0001;
  for (const end = at + (length << 1); at < end; at += 8) store<u64>(at, four);
}

/** Codes in ascending order of weight, then of literal; a code of weight w covers 2^(w-1) of the tree's leaves. */
function buildTable(count: i32, depth: u32): void {
  const scale = HUFFMAN_BITS - depth;
  let begin: u32 = 0;
  for (let weight: u32 = 1; weight <= depth; weight++) {
    const codes = load<u32>(RANKS + (weight << 2));
    store<u32>(RANKS + (weight << 2), begin);
    begin += codes << (weight - 1 + scale);
  }
  for (let literal = 0; literal < count; literal++) {
    const weight = <u32>load<u8>(WEIGHTS + literal);
    if (weight == 0) continue;
    const at = load<u32>(RANKS + (weight << 2));
    const length: u32 = 1 << (weight - 1 + scale);
    store<u32>(RANKS + (weight << 2), at + length);
    fillEntries(HUFFMAN_TABLE + (at << 1), (depth + 1 - weight) | (literal << 8), length);
  }
}

/** Reads the tree description at `start` and builds the decoding table; returns the bytes it takes, or a status. */
export function readTree(start: usize, end: usize): i32 {
  if (start >= end) return TRUNCATED;
  const first = <u32>load<u8>(start);
  let count = <i32>first - 127;
  const size = first < DIRECT_WEIGHTS ? <i32>first : (count + 1) >> 1;
  if (start + 1 + size > end) return TRUNCATED;
  if (first < DIRECT_WEIGHTS) {
    count = readPackedWeights(start + 1, start + 1 + size);
    if (count < 0) return count;
  } else {
    readPlainWeights(start + 1, count);
  }
  const depth = completeWeights(count);
  if (depth < 0) return depth;
  buildTable(count + 1, depth);
  return size + 1;
}

/** The first eight bytes of a backward stream, with its end mark shifted out and the reader's own mark put in. */
@inline
function openStream(start: usize, size: usize): u64 {
  const last = <u64>load<u8>(start + size - 1);
  return (load<u64>(start + size - 8) | 1) << (clz<u64>(last) - 55);
}

/** How far below the bits at hand the next load lies, in bytes. */
@inline
function takenBytes(bits: u64): usize {
  return <usize>(ctz<u64>(bits) >> 3);
}

/** Loads again at `at`, which has been moved down by `takenBytes(bits)`. */
@inline
function reload(at: usize, bits: u64): u64 {
  return (load<u64>(at) | 1) << (ctz<u64>(bits) & 7);
}

@inline
function lookUp(bits: u64): u32 {
  return <u32>load<u16>(HUFFMAN_TABLE + (<usize>(bits >> CODE_SHIFT) << 1));
}

/** Decodes `CODES_A_LOAD` literals to `to` and returns the bits behind them. */
@inline
function decodeFive(bits: u64, to: usize): u64 {
  const entry0 = lookUp(bits);
  bits <<= entry0;
  const entry1 = lookUp(bits);
  bits <<= entry1;
  const entry2 = lookUp(bits);
  bits <<= entry2;
  const entry3 = lookUp(bits);
  bits <<= entry3;
  const entry4 = lookUp(bits);
  store<u8>(to, <u8>(entry0 >> 8));
  store<u8>(to, <u8>(entry1 >> 8), 1);
  store<u8>(to, <u8>(entry2 >> 8), 2);
  store<u8>(to, <u8>(entry3 >> 8), 3);
  store<u8>(to, <u8>(entry4 >> 8), 4);
  return bits << entry4;
}

/**
 * Decodes the rest of one stream, to exactly `end`: `at` and `bits` as in the fast loop, `start` the stream's first
 * byte. False if the stream is not used up exactly.
 */
function finishStream(start: usize, at: usize, bits: u64, to: usize, end: usize): bool {
  const lowest = start - 8;
  while (to < end) {
    at -= takenBytes(bits);
    if (at < lowest) return false;
    bits = reload(at, bits);
    for (const stop = min(end, to + CODES_A_LOAD); to < stop; to++) {
      const entry = lookUp(bits);
      bits <<= entry;
      store<u8>(to, <u8>(entry >> 8));
    }
  }
  return ((at - start) << 3) + 64 == <usize>ctz<u64>(bits);
}

/** Decodes one stream of `size` bytes into `length` literals at `to`. */
export function decodeStream(start: usize, size: i32, to: usize, length: usize): bool {
  if (streamBits(start, size) < 0) return false;
  return finishStream(start, start + size - 8, openStream(start, size), to, to + length);
}

/**
 * Decodes four streams behind their jump table (section 3.1.1.3.1.6), `size` bytes together, into `length` literals.
 * False if they are malformed.
 */
export function decodeFourStreams(start: usize, size: i32, to: usize, length: usize): bool {
  if (size < 10) return false;
  const start0 = start + 6;
  const start1 = start0 + <usize>load<u16>(start);
  const start2 = start1 + <usize>load<u16>(start, 2);
  const start3 = start2 + <usize>load<u16>(start, 4);
  const end = start + size;
  if (start3 >= end) return false;
  if (streamBits(start0, <i32>(start1 - start0)) < 0 || streamBits(start1, <i32>(start2 - start1)) < 0) return false;
  if (streamBits(start2, <i32>(start3 - start2)) < 0 || streamBits(start3, <i32>(end - start3)) < 0) return false;
  let bits0 = openStream(start0, start1 - start0);
  let bits1 = openStream(start1, start2 - start1);
  let bits2 = openStream(start2, start3 - start2);
  let bits3 = openStream(start3, end - start3);
  let at0 = start1 - 8;
  let at1 = start2 - 8;
  let at2 = start3 - 8;
  let at3 = end - 8;
  const quarter = (length + 3) >> 2;
  const second = to + quarter;
  const third = second + quarter;
  const fourth = third + quarter;
  // The fourth stream is the shortest, in literals.
  const room = length - 3 * quarter;
  const lowest = start0 - 8;
  let done: usize = 0;
  for (;;) {
    const lowestAt = min(min(at0, at1), min(at2, at3));
    if (lowestAt < lowest) return false;
    const rounds = min((room - done) / CODES_A_LOAD, (lowestAt - lowest) / BYTES_A_ROUND);
    if (rounds == 0) break;
    for (const stop = done + rounds * CODES_A_LOAD; done < stop; done += CODES_A_LOAD) {
      at0 -= takenBytes(bits0);
      at1 -= takenBytes(bits1);
      at2 -= takenBytes(bits2);
      at3 -= takenBytes(bits3);
      bits0 = reload(at0, bits0);
      bits1 = reload(at1, bits1);
      bits2 = reload(at2, bits2);
      bits3 = reload(at3, bits3);
      bits0 = decodeFive(bits0, to + done);
      bits1 = decodeFive(bits1, second + done);
      bits2 = decodeFive(bits2, third + done);
      bits3 = decodeFive(bits3, fourth + done);
    }
  }
  const end0 = finishStream(start0, at0, bits0, to + done, second);
  const end1 = finishStream(start1, at1, bits1, second + done, third);
  const end2 = finishStream(start2, at2, bits2, third + done, fourth);
  return finishStream(start3, at3, bits3, fourth + done, to + length) && end0 && end1 && end2;
}
