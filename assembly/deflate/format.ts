/**
 * What RFC 1951 fixes: symbols for lengths and distances, their extra bits, the order of code lengths.
 *
 * A length is sent as one of 29 length slots and extra bits, a distance as one of 30 distance slots and extra bits
 * (section 3.2.5). Which slot it is, is looked up; the tables are computed on first use.
 */
import { DEFLATE_TABLES } from '../memory';

export const SHORTEST_MATCH: u32 = 3;
export const LONGEST_MATCH: u32 = 258;

export const LITLEN_SYMBOLS: u32 = 286;
export const DISTANCE_SYMBOLS: u32 = 30;
export const PRECODE_SYMBOLS: u32 = 19;
export const END_OF_BLOCK: u32 = 256;
export const FIRST_LENGTH: u32 = 257;
export const LENGTH_SLOTS: u32 = 29;

/** Most bytes that a stored block holds. */
export const LONGEST_STORED: u32 = 65535;

// Tables; one byte an element unless said otherwise.
/** By length (3 to 258): its slot. */
const SLOT_OF_LENGTH: usize = DEFLATE_TABLES;
/** By distance - 1 below 256: its slot; from 256 on by (distance - 1) / 128. */
const SLOT_OF_DISTANCE: usize = SLOT_OF_LENGTH + 260;
const LENGTH_EXTRA: usize = SLOT_OF_DISTANCE + 512;
const DISTANCE_EXTRA: usize = LENGTH_EXTRA + 32;
const PRECODE_ORDER: usize = DISTANCE_EXTRA + 32;
/** u16 each. */
const LENGTH_BASE: usize = PRECODE_ORDER + 20;
const DISTANCE_BASE: usize = LENGTH_BASE + 64;

let ready = false;

/** Computes the tables on first use. */
export function prepareFormat(): void {
  if (ready) return;
  ready = true;
  let base: u32 = 3;
  for (let slot: u32 = 0; slot < LENGTH_SLOTS; slot++) {
    // 258 has a slot of its own, the last.
    const extra: u32 = slot < 8 || slot == 28 ? 0 : (slot >> 2) - 1;
    if (slot == 28) base = LONGEST_MATCH;
    store<u8>(LENGTH_EXTRA + slot, extra);
    store<u16>(LENGTH_BASE + (slot << 1), base);
    memory.fill(SLOT_OF_LENGTH + base, <u8>slot, 1 << extra);
    base += 1 << extra;
  }
  base = 1;
  for (let slot: u32 = 0; slot < DISTANCE_SYMBOLS; slot++) {
    const extra: u32 = slot < 4 ? 0 : (slot >> 1) - 1;
    store<u8>(DISTANCE_EXTRA + slot, extra);
    store<u16>(DISTANCE_BASE + (slot << 1), base);
    if (base <= 256) memory.fill(SLOT_OF_DISTANCE + base - 1, <u8>slot, 1 << extra);
    else memory.fill(SLOT_OF_DISTANCE + 256 + ((base - 1) >> 7), <u8>slot, 1 << (extra - 7));
    base += 1 << extra;
  }
  // Section 3.2.7: 16 17 18 0, then from 8 outwards: 8 7 9 6 10 ... 1 15.
  store<u32>(PRECODE_ORDER, 0x00121110);
  for (let step: u32 = 0; step < 15; step++) {
    const away = (step + 1) >> 1;
    store<u8>(PRECODE_ORDER + 4 + step, (step & 1) != 0 ? 8 - away : 8 + away);
  }
}

@inline
export function slotOfLength(length: u32): u32 {
  return load<u8>(SLOT_OF_LENGTH + length);
}

@inline
export function slotOfDistance(distance: u32): u32 {
  const index: usize = distance - 1;
  return load<u8>(SLOT_OF_DISTANCE + (index < 256 ? index : 256 + (index >> 7)));
}

@inline
export function lengthExtra(slot: u32): u32 {
  return load<u8>(LENGTH_EXTRA + slot);
}

@inline
export function lengthBase(slot: u32): u32 {
  return load<u16>(LENGTH_BASE + (slot << 1));
}

@inline
export function distanceExtra(slot: u32): u32 {
  return load<u8>(DISTANCE_EXTRA + slot);
}

@inline
export function distanceBase(slot: u32): u32 {
  return load<u16>(DISTANCE_BASE + (slot << 1));
}

/** Which length of the code length code is sent as the `index`-th. */
@inline
export function precodeAt(index: u32): u32 {
  return load<u8>(PRECODE_ORDER + index);
}

/** Extra bits of the code length code's symbols: 16, 17 and 18 repeat. */
@inline
export function precodeExtra(symbol: u32): u32 {
  return symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
}
