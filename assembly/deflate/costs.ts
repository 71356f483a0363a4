/**
 * What a symbol costs, for a parser that compares alternatives.
 *
 * A symbol that occurs in one of n places costs log2(n) bits. Whole bits, as the code will have, would hide small
 * advantages that add up to a different code, so costs are counted in sixteenths of a bit. The logarithm is taken
 * from the leading bit and a parabola for what follows it (within a hundredth of a bit).
 */
import {
  DISTANCE_SYMBOLS,
  distanceExtra,
  FIRST_LENGTH,
  lengthExtra,
  LITLEN_SYMBOLS,
  LONGEST_MATCH,
  SHORTEST_MATCH,
  slotOfLength,
} from './format';
import { DISTANCE_COSTS, DISTANCE_COUNTS, LENGTH_COSTS, LITERAL_COSTS, LITLEN_COUNTS } from './workspace';

/** A bit, in units of cost. */
const BIT: u32 = 16;

/** Fraction bits of the logarithm. */
const FRACTION: u32 = 12;

/**
 * Cost of a symbol that has not been chosen so far, in bits more than of one that was chosen once: it may well be worth
 * taking once, but it also lengthens the header.
 */
const UNUSED_BITS: u32 = 2;

/** log2 of `value`, which is not 0, in units of cost. */
function logarithm(value: u32): u32 {
  const whole = 31 - clz(value);
  const rest: u32 = ((value << (31 - whole)) & 0x7fff_ffff) >> (31 - FRACTION);
  // log2(1 + x) = x + 0.3465 x (1 - x), nearly.
  const bend = (rest * ((1 << FRACTION) - rest)) >> FRACTION;
  const fraction = rest + ((bend * 1419) >> FRACTION);
  return (whole * BIT) + ((fraction * BIT) >> FRACTION);
}

@inline
function costOf(count: u32, ofAll: u32): u32 {
  return count == 0 ? ofAll + UNUSED_BITS * BIT : max(ofAll - logarithm(count), 1);
}

function sumOf(counts: usize, symbols: u32): u32 {
  let sum: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) sum += load<u32>(counts + (symbol << 2));
  return max(sum, 1);
}

/** Sets all costs from the counts of the block. */
export function setCosts(): void {
  const litlens = logarithm(sumOf(LITLEN_COUNTS, LITLEN_SYMBOLS));
  for (let literal: u32 = 0; literal < 256; literal++) {
    store<u32>(LITERAL_COSTS + (literal << 2), costOf(load<u32>(LITLEN_COUNTS + (literal << 2)), litlens));
  }
  for (let length = SHORTEST_MATCH; length <= LONGEST_MATCH; length++) {
    const slot = slotOfLength(length);
    const cost = costOf(load<u32>(LITLEN_COUNTS + ((FIRST_LENGTH + slot) << 2)), litlens);
    store<u32>(LENGTH_COSTS + (length << 2), cost + lengthExtra(slot) * BIT);
  }
  const distances = logarithm(sumOf(DISTANCE_COUNTS, DISTANCE_SYMBOLS));
  for (let slot: u32 = 0; slot < DISTANCE_SYMBOLS; slot++) {
    const cost = costOf(load<u32>(DISTANCE_COUNTS + (slot << 2)), distances);
    store<u32>(DISTANCE_COSTS + (slot << 2), cost + distanceExtra(slot) * BIT);
  }
}
