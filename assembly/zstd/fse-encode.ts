/**
 * FSE for encoding: normalizing a histogram, writing the distribution, the coder's tables, costs (RFC 8878 section
 * 4.1).
 *
 * Encoding is the decoder's state walk backward. From state x (counted from the table's size S to 2S-1) a symbol with n
 * states emits just so many low bits of x that the rest falls into [n, 2n), and that rest picks one of the symbol's
 * states. The number of bits is one of two neighbours; with `deltaBits` chosen so that the sum carries into bit 16
 * exactly for the larger one, (x + deltaBits) >> 16 is that number without a branch (Collet's FSE, after Duda,
 * "Asymmetric numeral systems", 2013). A coder is 2 KiB:
 *
 *   0     64 transforms: deltaBits u32, deltaState i32
 *   512   512 states, u16, grouped by symbol
 *   1536  64 normalized counts, i16
 *   1664  accuracy log u32
 *
 * Normalizing rounds a share p between n and n+1 up where p > sqrt(n(n+1)): that is where the cost of coding with n and
 * with n+1 is the same to first order. Present symbols get at least one state; what is then missing or too much is
 * settled with the most frequent symbols, which notice it least. "Less than one" is never written: it costs the
 * same bits as a count of one.
 */
import { spreadSymbols } from './fse-decode';
import { COUNTS, LOGARITHMS, NEXT_STATE, SPREAD } from './workspace';

const STATES: usize = 512;
const SAVED_COUNTS: usize = 1536;
const SAVED_LOG: usize = 1664;
/** i16 counts of 64 symbols. */
const COUNTS_SIZE: usize = 128;

/** A cost that no table has: the symbols cannot be coded. Bits. */
export const IMPOSSIBLE: u32 = 0x3fff_ffff;
/** Fraction bits of logarithms. */
const FRACTION: u32 = 8;
const LARGEST_LOGARITHM: u32 = 512;
/** Smallest accuracy that can be written. */
const LOG_MINIMUM: u32 = 5;

let logarithmsReady = false;

/** log2 by repeated squaring: each squaring of a number in [1, 2) yields one more bit of its logarithm. */
function buildLogarithms(): void {
  for (let number: u32 = 1; number <= LARGEST_LOGARITHM; number++) {
    const whole: u32 = 31 - clz<u32>(number);
    let rest = <u64>number << (31 - whole);
    let logarithm = whole;
    for (let bit: u32 = 0; bit < FRACTION; bit++) {
      rest = (rest * rest) >> 31;
      const carry = rest >> 32;
      logarithm = (logarithm << 1) | <u32>carry;
      rest >>= carry;
    }
    store<u16>(LOGARITHMS + (number << 1), <u16>logarithm);
  }
  logarithmsReady = true;
}

/**
 * The accuracy for `total` symbols up to number `last`: fine enough for the alphabet, and not finer than four
 * occurrences a state, because finer tables only cost more to describe.
 */
export function chooseLog(total: u32, last: u32, limit: u32): u32 {
  const worth: u32 = 31 - clz<u32>(max<u32>(total - 1, 1));
  const enough = min<u32>(32 - clz<u32>(total), 33 - clz<u32>(last | 1));
  return min(limit, max(LOG_MINIMUM, max(enough, worth > 2 ? worth - 2 : 0)));
}

/**
 * Scales `histogram` (u32, `symbols` entries that add up to `total`) to 2^log, into `COUNTS`. Two symbols at least
 * occur.
 */
export function normalize(histogram: usize, symbols: u32, total: u32, log: u32): void {
  // Shares in 16.16 fixed point, by one multiplication each.
  const unit: u64 = (<u64>1 << 62) / total;
  const shift: u64 = 46 - log;
  let missing: i32 = 1 << log;
  let largest: u32 = 0;
  let largestCount: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const occurrences = load<u32>(histogram + (symbol << 2));
    let count: u32 = 0;
    if (occurrences != 0) {
      const share = (<u64>occurrences * unit) >> shift;
      const whole = share >> 16;
      count = <u32>whole + u32(whole == 0 || share * share > (whole * (whole + 1)) << 32);
      if (count > largestCount) {
        largestCount = count;
        largest = symbol;
      }
    }
    store<i16>(COUNTS + (symbol << 1), <i16>count);
    missing -= count;
  }
  for (; missing < 0; missing++) takeFromLargest(symbols);
  if (missing > 0) {
    const at = COUNTS + (largest << 1);
    store<i16>(at, <i16>(<i32>load<i16>(at) + missing));
  }
}

function takeFromLargest(symbols: u32): void {
  let largest = COUNTS;
  for (let at = COUNTS + 2, end = COUNTS + (symbols << 1); at < end; at += 2) {
    if (load<i16>(at) > load<i16>(largest)) largest = at;
  }
  store<i16>(largest, load<i16>(largest) - 1);
}

/** Writes the distribution in `COUNTS` to `to` as `readDistribution` reads it; returns its size in bytes. */
export function writeDistribution(log: u32, to: usize): u32 {
  const start = to;
  let bits: u32 = log - LOG_MINIMUM;
  let used: u32 = 4;
  let remaining: u32 = (1 << log) + 1;
  for (let at = COUNTS; remaining > 1; ) {
    const count = <u32>load<i16>(at);
    at += 2;
    const width: u32 = 31 - clz<u32>(remaining);
    const half: u32 = 1 << width;
    const short: u32 = 2 * half - 1 - remaining;
    const value = count + 1;
    bits |= (value >= half ? value + short : value) << used;
    used += value < short ? width : width + 1;
    remaining -= count;
    if (count == 0) {
      let zeros: u32 = 0;
      for (; load<i16>(at) == 0; at += 2) zeros++;
      for (; zeros >= 3; zeros -= 3) {
        bits |= 3 << used;
        used += 2;
        store<u32>(to, bits);
        to += used >> 3;
        bits >>= used & ~7;
        used &= 7;
      }
      bits |= zeros << used;
      used += 2;
    }
    store<u32>(to, bits);
    to += used >> 3;
    bits >>= used & ~7;
    used &= 7;
  }
  return <u32>(to - start) + ((used + 7) >> 3);
}

/** Builds `coder` from `counts` (i16, `symbols` entries). */
export function buildCoder(coder: usize, counts: usize, symbols: u32, log: u32): void {
  spreadSymbols(counts, symbols, log);
  memory.fill(coder + SAVED_COUNTS, 0, COUNTS_SIZE);
  memory.copy(coder + SAVED_COUNTS, counts, symbols << 1);
  store<u32>(coder + SAVED_LOG, log);
  const size: u32 = 1 << log;
  let begin: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const signed = <i32>load<i16>(counts + (symbol << 1));
    if (signed == 0) continue;
    const count: u32 = signed < 0 ? 1 : signed;
    // The larger of the two numbers of bits; a single state always takes all `log` bits.
    const most = count == 1 ? log : log - (31 - clz<u32>(count - 1));
    const transform = coder + (symbol << 3);
    store<u32>(transform, (most << 16) - (count << most));
    store<i32>(transform, <i32>begin - <i32>count, 4);
    begin += count;
  }
  // States in ascending order: within a symbol, the first one belongs to the smallest rest, which is its count.
  for (let state: u32 = 0; state < size; state++) {
    const symbol = <usize>load<u8>(SPREAD + state);
    const rest = <i32>load<u16>(NEXT_STATE + (symbol << 1));
    store<u16>(NEXT_STATE + (symbol << 1), <u16>(rest + 1));
    const at = rest + load<i32>(coder + (symbol << 3), 4);
    store<u16>(coder + STATES + (<usize>at << 1), <u16>(size + state));
  }
}

/** A coder for streams of `symbol` only: no states to speak of, no bits. */
export function buildSingleCoder(coder: usize, symbol: u32): void {
  memory.fill(coder + SAVED_COUNTS, 0, COUNTS_SIZE);
  store<i16>(coder + SAVED_COUNTS + (symbol << 1), 1);
  store<u32>(coder + SAVED_LOG, 0);
  store<i32>(coder + (symbol << 3), -1);
  store<i32>(coder + (symbol << 3), -1, 4);
  store<u16>(coder + STATES, 1);
}

@inline
export function coderLog(coder: usize): u32 {
  return load<u32>(coder + SAVED_LOG);
}

/** log2 of `number`, not 0, in 1/256 bit; of numbers above 512 the leading 9 bits count. */
export function logarithm(number: u32): u32 {
  if (!logarithmsReady) buildLogarithms();
  const whole: u32 = 31 - clz<u32>(number);
  const shift: u32 = whole > FRACTION ? whole - FRACTION : 0;
  return <u32>load<u16>(LOGARITHMS + ((number >> shift) << 1)) + (shift << FRACTION);
}

/** Cost of the symbols in `histogram` with the distribution `counts`, in bits. */
export function costWith(histogram: usize, symbols: u32, counts: usize, log: u32): u32 {
  if (!logarithmsReady) buildLogarithms();
  let cost: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const occurrences = load<u32>(histogram + (symbol << 2));
    if (occurrences == 0) continue;
    const count = <i32>load<i16>(counts + (symbol << 1));
    if (count == 0) return IMPOSSIBLE;
    cost += occurrences * ((log << FRACTION) - <u32>load<u16>(LOGARITHMS + (max(count, 1) << 1)));
  }
  return cost >> FRACTION;
}

/** Cost of the symbols in `histogram` with a coder that was built before, in bits. */
export function costWithCoder(histogram: usize, symbols: u32, coder: usize): u32 {
  return costWith(histogram, symbols, coder + SAVED_COUNTS, coderLog(coder));
}

/**
 * Where the encoder starts: a state of the stream's last symbol. Of its states this one asks for the most bits when a
 * reader wants to leave it (one at least), which is how the reader of Huffman weights learns that the stream is over.
 */
@inline
export function firstState(coder: usize, symbol: u32): u32 {
  const transform = coder + (symbol << 3);
  const deltaBits = load<u32>(transform);
  const bits = (deltaBits + 0x8000) >> 16;
  const rest = ((bits << 16) - deltaBits) >> bits;
  return <u32>load<u16>(coder + STATES + (<usize>(<i32>rest + load<i32>(transform, 4)) << 1));
}

/** How many low bits of `state` are emitted before `symbol`. */
@inline
export function emittedBits(coder: usize, state: u32, symbol: u32): u32 {
  return (state + load<u32>(coder + (symbol << 3))) >> 16;
}

/** The state after `symbol`, of which `bits` bits were emitted. */
@inline
export function stateAfter(coder: usize, state: u32, symbol: u32, bits: u32): u32 {
  const rest = <i32>(state >> bits) + load<i32>(coder + (symbol << 3), 4);
  return <u32>load<u16>(coder + STATES + (<usize>rest << 1));
}
