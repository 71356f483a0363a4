/**
 * FSE tables for decoding: reading a distribution, and building the state table from it (RFC 8878 section 4.1.1).
 *
 * A state is a row of the table: its symbol, how many bits to read, and the base that these bits are added to in order
 * to reach the next state. Rows here are 8 bytes and carry what the symbol *means* instead of the symbol, so the loop
 * over sequences loads each state once and never looks at the code tables:
 *
 *   bits 0-15  base of the next state
 *   bits 16-23 bits to read for the next state
 *   bits 24-31 extra bits of the symbol (code)
 *   bits 32-63 value of the symbol: smallest length or offset, or the symbol itself
 */
import { COUNTS, NEXT_STATE, SPREAD } from './workspace';
import { CORRUPT, TRUNCATED } from './status';

/** Accuracy and number of symbols of the distribution that `readDistribution` read last. */
export let distributionLog: u32 = 0;
export let distributionSymbols: u32 = 0;

/** Up to four bytes at `at`, zeros behind `end`. */
@inline
function loadForward(at: usize, end: usize): u32 {
  if (at + 4 <= end) return load<u32>(at);
  let word: u32 = 0;
  for (let shift: u32 = 0; at < end; at++, shift += 8) word |= <u32>load<u8>(at) << shift;
  return word;
}

/**
 * Reads the distribution at `start` into `COUNTS` and returns the bytes it takes, or a status.
 * Each probability is a number from 0 to `remaining`, stored in one bit less where the value leaves no doubt; stored 0
 * means "less than one", stored 1 means absent and is followed by two-bit counts of further absent symbols.
 */
export function readDistribution(start: usize, end: usize, symbols: u32, logLimit: u32): i32 {
  if (start >= end) return TRUNCATED;
  const log = (<u32>load<u8>(start) & 15) + 5;
  if (log > logLimit) return CORRUPT;
  // Points still to be given away, plus one: the largest value that may be stored next.
  let remaining: u32 = (1 << log) + 1;
  let bit: usize = 4;
  let symbol: u32 = 0;
  while (remaining > 1) {
    if (symbol >= symbols) return CORRUPT;
    if (start + (bit >> 3) >= end) return TRUNCATED;
    const half: u32 = 1 << (31 - clz<u32>(remaining));
    const word = loadForward(start + (bit >> 3), end) >> (<u32>bit & 7);
    const short: u32 = 2 * half - 1 - remaining;
    let value = word & (half - 1);
    if (value < short) {
      bit += 31 - clz<u32>(half);
    } else {
      value = word & (2 * half - 1);
      if (value >= half) value -= short;
      bit += 32 - clz<u32>(half);
    }
    store<i16>(COUNTS + (symbol << 1), <i16>(<i32>value - 1));
    symbol++;
    if (value == 1) {
      let repeat: u32 = 3;
      while (repeat == 3) {
        if (start + (bit >> 3) >= end) return TRUNCATED;
        repeat = (loadForward(start + (bit >> 3), end) >> (<u32>bit & 7)) & 3;
        bit += 2;
        if (symbol + repeat > symbols) return CORRUPT;
        for (let i: u32 = 0; i < repeat; i++, symbol++) store<i16>(COUNTS + (symbol << 1), 0);
      }
    } else {
      remaining -= value == 0 ? 1 : value - 1;
    }
  }
  const size = (bit + 7) >> 3;
  if (start + size > end) return TRUNCATED;
  distributionLog = log;
  distributionSymbols = symbol;
  return <i32>size;
}

/**
 * Gives every state its symbol, in `SPREAD`, and every symbol its first state number, in `NEXT_STATE` (section 4.1.1).
 * "Less than one" symbols take single states from the end of the table; the others are strewn with a step that visits
 * every state once. The encoder builds its tables from the same spread.
 */
export function spreadSymbols(counts: usize, symbols: u32, log: u32): void {
  const size: u32 = 1 << log;
  let high = size - 1;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = <i32>load<i16>(counts + (symbol << 1));
    if (count < 0) store<u8>(SPREAD + high--, <u8>symbol);
    store<u16>(NEXT_STATE + (symbol << 1), <u16>(count < 0 ? 1 : count));
  }
  const step = (size >> 1) + (size >> 3) + 3;
  const mask = size - 1;
  let at: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    for (let count = <i32>load<i16>(counts + (symbol << 1)); count > 0; count--) {
      store<u8>(SPREAD + at, <u8>symbol);
      do at = (at + step) & mask;
      while (at > high);
    }
  }
}

/**
 * Builds the state table at `table` from `counts`. `bases` (u32) and `extras` (u8) say what a symbol means; where they
 * are 0 the value is the symbol.
 */
export function buildStates(table: usize, counts: usize, symbols: u32, log: u32, bases: usize, extras: usize): void {
  spreadSymbols(counts, symbols, log);
  const size: u32 = 1 << log;
  for (let state: u32 = 0; state < size; state++) {
    const symbol = <u32>load<u8>(SPREAD + state);
    const number = <u32>load<u16>(NEXT_STATE + (symbol << 1));
    store<u16>(NEXT_STATE + (symbol << 1), <u16>(number + 1));
    const bits = log - (31 - clz<u32>(number));
    const next = (number << bits) - size;
    store<u64>(table + (state << 3), <u64>(next | (bits << 16)) | meaning(symbol, bases, extras));
  }
}

/** A table with one state that never changes: every symbol is `symbol` and costs no bits. */
export function buildSingleState(table: usize, symbol: u32, bases: usize, extras: usize): void {
  store<u64>(table, meaning(symbol, bases, extras));
}

/** The upper 40 bits of a row: what `symbol` stands for. */
@inline
function meaning(symbol: u32, bases: usize, extras: usize): u64 {
  if (bases == 0) return <u64>symbol << 32;
  return (<u64>load<u32>(bases + (symbol << 2)) << 32) | (<u64>load<u8>(extras + symbol) << 24);
}

@inline
export function nextBase(state: u64): u64 {
  return state & 0xffff;
}

@inline
export function nextBits(state: u64): u64 {
  return (state >> 16) & 0xff;
}

@inline
export function extraBits(state: u64): u64 {
  return (state >> 24) & 0xff;
}

@inline
export function stateValue(state: u64): u32 {
  return <u32>(state >> 32);
}
