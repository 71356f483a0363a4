/**
 * Decoding tables for canonical Huffman codes (RFC 1951, section 3.2.2).
 *
 * Shape. A root table is indexed with the next `rootBits` bits of the stream; codes that are longer continue in a
 * subtable, indexed with the bits that follow. One lookup decodes nearly every symbol, two decode any. An entry tells
 * everything about its symbol at once, extra bits included, so that the decoder consumes code and extra bits together:
 *
 *   bit  31      literal
 *   bits 30..16  literal byte | length base | distance base | index of the subtable
 *   bit  15      special: one of bits 14..12 is set
 *   bit  14      points to a subtable
 *   bit  13      end of block
 *   bit  12      no symbol of the code: the stream is malformed
 *   bits 11..8   bits of the code (in a subtable: those behind the root) | of a pointer: bits that index the subtable
 *   bits 4..0    bits to consume: code and extra bits | of a pointer: `rootBits`
 *
 * Building. Symbols are sorted by length; codes of one length are consecutive numbers, but deflate sends them with the
 * first bit lowest, so a table is filled "from the other end": while codes of n bits are placed the table has 2^n
 * entries, and when n grows, what is there is copied behind itself. Each symbol is thus stored once and spread by
 * block copies. The next code in reversed order comes from clearing the ones at the top and setting the zero below.
 *
 * What counts as a code follows zlib: it must fill the code space exactly, except that length and distance codes may
 * consist of one code of one bit, and a distance code of nothing (a block of literals only).
 */
import { INFLATE_TABLES, INFLATE_WORKSPACE } from '../memory';

export const LITERAL: u32 = 0x8000_0000;
export const SPECIAL: u32 = 0x8000;
export const SUBTABLE: u32 = 0x4000;
export const END_OF_BLOCK: u32 = 0x2000;
export const INVALID: u32 = 0x1000;
export const VALUE_SHIFT: u32 = 16;
export const CODE_BITS_SHIFT: u32 = 8;
export const CODE_BITS_MASK: u32 = 15;

/** What no code leads to; consumes nothing. */
const NO_SYMBOL: u32 = SPECIAL | INVALID;

const MAX_CODE_BITS: u32 = 15;

/**
 * Root bits. 11 for literals and lengths decode all but rare symbols at once, from 8 KiB that stay in the L1 cache. A
 * larger root must be filled for every block, and units of 64 KiB have short blocks. 8 suffice for 30 distances.
 */
export const LITLEN_ROOT_BITS: u32 = 11;
export const DISTANCE_ROOT_BITS: u32 = 8;
export const PRECODE_BITS: u32 = 7;

export const LITLEN_SYMBOLS: u32 = 288;
export const DISTANCE_SYMBOLS: u32 = 32;
export const PRECODE_SYMBOLS: u32 = 19;

// Workspace. The largest tables that a complete code can ask for (zlib's `enough`): 2342 entries for 288 symbols and
// 11 root bits, 402 for 32 symbols and 8 root bits; so 16 KiB and 4 KiB are more than they need.
export const LITLEN_TABLE: usize = INFLATE_WORKSPACE;
export const DISTANCE_TABLE: usize = LITLEN_TABLE + 16384;
export const PRECODE_TABLE: usize = DISTANCE_TABLE + 4096;
/** Code lengths of a block, one byte each: literals and lengths, then distances; a last repeat may run 137 over. */
export const CODE_LENGTHS: usize = PRECODE_TABLE + 1024;
const SORTED_SYMBOLS: usize = CODE_LENGTHS + 1024;
const LENGTH_COUNTS: usize = SORTED_SYMBOLS + 1024;
const LENGTH_STARTS: usize = LENGTH_COUNTS + 64;
/** The codes of section 3.2.6, filled once. */
export const FIXED_LITLEN_TABLE: usize = LENGTH_STARTS + 64;
export const FIXED_LITLEN_BITS: u32 = 9;
export const FIXED_DISTANCE_TABLE: usize = FIXED_LITLEN_TABLE + 2048;
export const FIXED_DISTANCE_BITS: u32 = 5;

// Constants: the part of an entry that depends on the symbol alone, u32 each.
const LITLEN_SYMBOL: usize = INFLATE_TABLES;
const DISTANCE_SYMBOL: usize = LITLEN_SYMBOL + 288 * 4;
const PRECODE_SYMBOL: usize = DISTANCE_SYMBOL + 32 * 4;
/** Section 3.2.7: in which order the lengths of the code length code are sent; a byte each. */
export const PRECODE_ORDER: usize = PRECODE_SYMBOL + 19 * 4;
/** How to fill a vector with a pattern of 1 to 15 bytes: sixteen bytes a pattern length, for swizzle. */
export const PATTERN_LANES: usize = INFLATE_TABLES + 2048;
/** Bytes that whole patterns take of a vector; a byte a pattern length. In the row of the length 0, which is none. */
export const PATTERN_STEPS: usize = PATTERN_LANES;

const FIRST_LENGTH_SYMBOL: u32 = 257;

function prepareLitlenSymbols(): void {
  for (let byte: u32 = 0; byte < 256; byte++) store<u32>(LITLEN_SYMBOL + (byte << 2), LITERAL | (byte << VALUE_SHIFT));
  store<u32>(LITLEN_SYMBOL + 256 * 4, SPECIAL | END_OF_BLOCK);
  // Eight lengths without extra bits, then four symbols for each number of extra bits (section 3.2.5).
  let base: u32 = 3;
  for (let index: u32 = 0; index < 28; index++) {
    const extra: u32 = index < 8 ? 0 : (index >> 2) - 1;
    store<u32>(LITLEN_SYMBOL + ((FIRST_LENGTH_SYMBOL + index) << 2), (base << VALUE_SHIFT) | extra);
    base += 1 << extra;
  }
  store<u32>(LITLEN_SYMBOL + 285 * 4, 258 << VALUE_SHIFT);
  store<u32>(LITLEN_SYMBOL + 286 * 4, NO_SYMBOL);
  store<u32>(LITLEN_SYMBOL + 287 * 4, NO_SYMBOL);
}

function prepareDistanceSymbols(): void {
  let base: u32 = 1;
  for (let symbol: u32 = 0; symbol < 30; symbol++) {
    const extra: u32 = symbol < 4 ? 0 : (symbol >> 1) - 1;
    store<u32>(DISTANCE_SYMBOL + (symbol << 2), (base << VALUE_SHIFT) | extra);
    base += 1 << extra;
  }
  store<u32>(DISTANCE_SYMBOL + 30 * 4, NO_SYMBOL);
  store<u32>(DISTANCE_SYMBOL + 31 * 4, NO_SYMBOL);
}

function preparePrecode(): void {
  for (let symbol: u32 = 0; symbol < PRECODE_SYMBOLS; symbol++) {
    store<u32>(PRECODE_SYMBOL + (symbol << 2), symbol << VALUE_SHIFT);
  }
  store<u8>(PRECODE_ORDER, 16);
  store<u8>(PRECODE_ORDER, 17, 1);
  store<u8>(PRECODE_ORDER, 18, 2);
  store<u8>(PRECODE_ORDER, 0, 3);
  // From 8 outwards: 8 7 9 6 10 ... 1 15.
  for (let step: u32 = 0; step < 15; step++) {
    const away = (step + 1) >> 1;
    store<u8>(PRECODE_ORDER + 4 + step, (step & 1) != 0 ? 8 - away : 8 + away);
  }
}

function prepareFixedTables(): void {
  memory.fill(CODE_LENGTHS, 8, 144);
  memory.fill(CODE_LENGTHS + 144, 9, 112);
  memory.fill(CODE_LENGTHS + 256, 7, 24);
  memory.fill(CODE_LENGTHS + 280, 8, 8);
  memory.fill(CODE_LENGTHS + 288, 5, 32);
  buildTable(FIXED_LITLEN_TABLE, FIXED_LITLEN_BITS, LITLEN_SYMBOL, CODE_LENGTHS, LITLEN_SYMBOLS);
  buildTable(FIXED_DISTANCE_TABLE, FIXED_DISTANCE_BITS, DISTANCE_SYMBOL, CODE_LENGTHS + 288, DISTANCE_SYMBOLS);
}

let ready = false;

/** Computes the constants on first use. */
export function prepareTables(): void {
  if (ready) return;
  ready = true;
  prepareLitlenSymbols();
  prepareDistanceSymbols();
  preparePrecode();
  prepareFixedTables();
  for (let length: u32 = 1; length < 16; length++) {
    store<u8>(PATTERN_STEPS + length, 16 - (16 % length));
    for (let lane: u32 = 0; lane < 16; lane++) store<u8>(PATTERN_LANES + (length << 4) + lane, lane % length);
  }
}

/** The table of the code length code, from the lengths at `lengths`. False: not a code. */
export function buildPrecodeTable(lengths: usize): bool {
  return buildTable(PRECODE_TABLE, PRECODE_BITS, PRECODE_SYMBOL, lengths, PRECODE_SYMBOLS) == COMPLETE;
}

/** The table of a block's literals and lengths. False: not a code. */
export function buildLitlenTable(lengths: usize, symbols: u32): bool {
  const kind = buildTable(LITLEN_TABLE, LITLEN_ROOT_BITS, LITLEN_SYMBOL, lengths, symbols);
  return kind == COMPLETE || kind == SINGLE;
}

/** The table of a block's distances. False: not a code. */
export function buildDistanceTable(lengths: usize, symbols: u32): bool {
  return buildTable(DISTANCE_TABLE, DISTANCE_ROOT_BITS, DISTANCE_SYMBOL, lengths, symbols) != WRONG;
}

// What a set of code lengths is.
const WRONG: i32 = 0;
const COMPLETE: i32 = 1;
/** One code of one bit. */
const SINGLE: i32 = 2;
const EMPTY: i32 = 3;

@inline
function countOf(length: u32): u32 {
  return load<u16>(LENGTH_COUNTS + (length << 1));
}

/** Counts the symbols of each length. */
@inline
function countLengths(lengths: usize, symbols: u32): void {
  memory.fill(LENGTH_COUNTS, 0, 32);
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = LENGTH_COUNTS + (<usize>load<u8>(lengths + symbol) << 1);
    store<u16>(count, load<u16>(count) + 1);
  }
}

/** Whether the counted lengths fill the code space. */
@inline
function judgeLengths(): i32 {
  let space: i32 = 1;
  let used: u32 = 0;
  for (let length: u32 = 1; length <= MAX_CODE_BITS; length++) {
    const count = countOf(length);
    used += count;
    space = (space << 1) - <i32>count;
    if (space < 0) return WRONG;
  }
  if (space == 0) return COMPLETE;
  if (used == 0) return EMPTY;
  return used == 1 && countOf(1) == 1 ? SINGLE : WRONG;
}

/** Sorts the symbols that have a code by length, then by number. */
@inline
function sortSymbols(lengths: usize, symbols: u32): void {
  let start: u32 = 0;
  for (let length: u32 = 1; length <= MAX_CODE_BITS; length++) {
    store<u16>(LENGTH_STARTS + (length << 1), <u16>start);
    start += countOf(length);
  }
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length: usize = load<u8>(lengths + symbol);
    if (length == 0) continue;
    const place = LENGTH_STARTS + (length << 1);
    const index: usize = load<u16>(place);
    store<u16>(place, <u16>(index + 1));
    store<u16>(SORTED_SYMBOLS + (index << 1), <u16>symbol);
  }
}

@inline
function entryOf(constants: usize, sorted: usize, bits: u32): u32 {
  const symbol: usize = load<u16>(SORTED_SYMBOLS + (sorted << 1));
  return load<u32>(constants + (symbol << 2)) + (bits << CODE_BITS_SHIFT) + bits;
}

/** The code that follows `code`, both of `bits` bits with the first bit lowest; `code` is not the last one. */
@inline
function successor(code: u32, bits: u32): u32 {
  const zero: u32 = 31 - clz(code ^ ((1 << bits) - 1));
  return (code & ((1 << zero) - 1)) | (1 << zero);
}

/**
 * Fills `table` for the code lengths (a byte each) of `symbols` symbols. Returns what kind of code they are; the table
 * is usable unless that is `WRONG`.
 */
function buildTable(table: usize, rootBits: u32, constants: usize, lengths: usize, symbols: u32): i32 {
  countLengths(lengths, symbols);
  const kind = judgeLengths();
  if (kind == WRONG) return WRONG;
  sortSymbols(lengths, symbols);
  if (kind == COMPLETE) {
    fillComplete(table, rootBits, constants);
  } else {
    const zero = kind == SINGLE ? entryOf(constants, 0, 1) : NO_SYMBOL;
    for (let index: u32 = 0; index < (1 << rootBits); index++) {
      store<u32>(table + (index << 2), (index & 1) == 0 ? zero : NO_SYMBOL);
    }
  }
  return kind;
}

/** Root table for the codes that fit; the rest is for `fillSubtables`. */
function fillComplete(table: usize, rootBits: u32, constants: usize): void {
  let code: u32 = 0;
  let sorted: usize = 0;
  let size: u32 = 1;
  for (let bits: u32 = 1; bits <= rootBits; bits++) {
    // The table doubles: what one index bit less decided is decided alike with either value of the new bit.
    memory.copy(table + (size << 2), table, size << 2);
    size <<= 1;
    for (let count = countOf(bits); count > 0; count--) {
      store<u32>(table + (code << 2), entryOf(constants, sorted++, bits));
      if (code == size - 1) {
        spread(table, size, <u32>1 << rootBits);
        return;
      }
      code = successor(code, bits);
    }
  }
  fillSubtables(table, rootBits, constants, code, sorted);
}

/** Copies the first `size` entries behind themselves until there are `full`. */
@inline
function spread(table: usize, size: u32, full: u32): void {
  for (; size < full; size <<= 1) memory.copy(table + (size << 2), table, size << 2);
}

/** Places the codes longer than the root, the first of which is `code`. */
function fillSubtables(table: usize, rootBits: u32, constants: usize, code: u32, sorted: usize): void {
  const rootMask: u32 = (1 << rootBits) - 1;
  let end: u32 = 1 << rootBits;
  let start = end;
  let prefix: u32 = ~0;
  let bits = rootBits + 1;
  let count = countOf(bits);
  while (true) {
    while (count == 0) count = countOf(++bits);
    if ((code & rootMask) != prefix) {
      prefix = code & rootMask;
      start = end;
      const indexBits = subtableBits(bits, count, rootBits);
      end = start + (1 << indexBits);
      const pointer = (start << VALUE_SHIFT) | SPECIAL | SUBTABLE | (indexBits << CODE_BITS_SHIFT) | rootBits;
      store<u32>(table + (prefix << 2), pointer);
    }
    const entry = entryOf(constants, sorted++, bits - rootBits);
    const stride: u32 = 1 << (bits - rootBits);
    for (let index = start + (code >> rootBits); index < end; index += stride) store<u32>(table + (index << 2), entry);
    if (code == (1 << bits) - 1) return;
    code = successor(code, bits);
    count--;
  }
}

/** How many bits index a subtable that begins with `count` remaining codes of `bits` bits: as many as fill it. */
function subtableBits(bits: u32, count: u32, rootBits: u32): u32 {
  let index = bits - rootBits;
  let filled = count;
  while (filled < 1 << index) {
    index++;
    filled = (filled << 1) + countOf(rootBits + index);
  }
  return index;
}
