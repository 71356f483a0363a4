/**
 * Writing a block: from counts and sequences to bits.
 *
 * A block can be sent in three ways: stored, with the fixed codes, or with codes of its own (RFC 1951, section 3.2.3).
 * The size of each is known exactly before a bit is written, so the smallest is chosen, and whether it fits into the
 * output is asked once a block instead of once a symbol.
 *
 * Codes for literals and lengths are limited to 14 bits instead of 15. It costs next to nothing, and four literals
 * (56 bits) then fit into the bit buffer behind the up to 7 bits that are left from before.
 */
import { alignToByte, bitBuffer, bitCount, hasRoom, output, putBits, putBytes, setOutput } from './bits';
import {
  distanceBase,
  distanceExtra,
  DISTANCE_SYMBOLS,
  END_OF_BLOCK,
  FIRST_LENGTH,
  LENGTH_SLOTS,
  lengthBase,
  lengthExtra,
  LITLEN_SYMBOLS,
  LONGEST_MATCH,
  LONGEST_STORED,
  PRECODE_SYMBOLS,
  precodeAt,
  precodeExtra,
  SHORTEST_MATCH,
  slotOfLength,
} from './format';
import { LENGTH_SHIFT, makeCode, numberCodes } from './huffman';
import {
  DISTANCE_CODES,
  DISTANCE_COUNTS,
  DISTANCE_LENGTHS,
  FIXED_DISTANCE_CODES,
  FIXED_DISTANCE_LENGTHS,
  FIXED_LITLEN_CODES,
  FIXED_LITLEN_LENGTHS,
  HEADER_ITEMS,
  LITLEN_CODES,
  LITLEN_COUNTS,
  LITLEN_LENGTHS,
  MATCH_DISTANCE_CODES,
  MATCH_LENGTH_CODES,
  PRECODE_CODES,
  PRECODE_COUNTS,
  PRECODE_LENGTHS,
  SENT_LENGTHS,
} from './workspace';

const LITLEN_LIMIT: u32 = 14;
const DISTANCE_LIMIT: u32 = 15;
const PRECODE_LIMIT: u32 = 7;

const CODE_MASK: u32 = (1 << LENGTH_SHIFT) - 1;

const STORED: u32 = 0;
const FIXED: u32 = 1;
const DYNAMIC: u32 = 2;

/** Header bits of every block: the final flag and the type. */
const BLOCK_HEADER_BITS: u32 = 3;

/** Bits of the numbers of lengths at the start of a dynamic block. */
const NUMBERS_BITS: u32 = 5 + 5 + 4;

// What the header of a dynamic block will say; set by `planHeader`.
let sentLitlens: u32 = 0;
let sentDistances: u32 = 0;
let sentPrecodes: u32 = 0;
let headerItems: u32 = 0;

let ready = false;

/** Computes the fixed codes (section 3.2.6) on first use. */
export function prepareFixedCodes(): void {
  if (ready) return;
  ready = true;
  memory.fill(FIXED_LITLEN_LENGTHS, 8, 144);
  memory.fill(FIXED_LITLEN_LENGTHS + 144, 9, 112);
  memory.fill(FIXED_LITLEN_LENGTHS + 256, 7, 24);
  memory.fill(FIXED_LITLEN_LENGTHS + 280, 8, 8);
  memory.fill(FIXED_DISTANCE_LENGTHS, 5, 32);
  numberCodes(288, FIXED_LITLEN_LENGTHS, FIXED_LITLEN_CODES);
  numberCodes(32, FIXED_DISTANCE_LENGTHS, FIXED_DISTANCE_CODES);
}

/** All counts of a block to 0. */
export function clearCounts(): void {
  memory.fill(LITLEN_COUNTS, 0, (288 + 32) * 4);
}

@inline
export function countLitlen(symbol: u32): void {
  const count = LITLEN_COUNTS + (<usize>symbol << 2);
  store<u32>(count, load<u32>(count) + 1);
}

@inline
export function countDistance(slot: u32): void {
  const count = DISTANCE_COUNTS + (<usize>slot << 2);
  store<u32>(count, load<u32>(count) + 1);
}

/** The codes that suit the counts; the end of the block must have been counted. */
export function makeBlockCodes(): void {
  makeCode(LITLEN_COUNTS, LITLEN_SYMBOLS, LITLEN_LIMIT, LITLEN_LENGTHS, LITLEN_CODES);
  makeCode(DISTANCE_COUNTS, DISTANCE_SYMBOLS, DISTANCE_LIMIT, DISTANCE_LENGTHS, DISTANCE_CODES);
}

/**
 * Writes the block of `length` bytes at `source`, whose choices are the sequences at `sequences` and counted, as the
 * smallest of the three kinds. False: it does not fit.
 */
export function writeBlock(source: usize, length: usize, sequences: usize, final: bool): bool {
  countLitlen(END_OF_BLOCK);
  makeBlockCodes();
  const dynamicBits = dynamicSize();
  const fixedBits = BLOCK_HEADER_BITS + symbolBits(FIXED_LITLEN_LENGTHS, FIXED_DISTANCE_LENGTHS);
  const storedBits = storedSize(length);
  const best = min(storedBits, min(fixedBits, dynamicBits));
  if (!hasRoom(best)) return false;
  if (best == storedBits) {
    writeStored(source, length, final);
  } else if (best == fixedBits) {
    putBits((final ? 1 : 0) | (FIXED << 1), BLOCK_HEADER_BITS);
    writeSymbols(source, sequences, FIXED_LITLEN_CODES, FIXED_DISTANCE_CODES);
  } else {
    putBits((final ? 1 : 0) | (DYNAMIC << 1), BLOCK_HEADER_BITS);
    writeHeader();
    writeSymbols(source, sequences, LITLEN_CODES, DISTANCE_CODES);
  }
  return true;
}

/** Bits that the block takes with codes of its own, header included; `makeBlockCodes` must have made them. */
export function dynamicSize(): u32 {
  return BLOCK_HEADER_BITS + planHeader() + symbolBits(LITLEN_LENGTHS, DISTANCE_LENGTHS);
}

/** Bits of all counted symbols with codes of the given lengths. */
function symbolBits(litlenLengths: usize, distanceLengths: usize): u32 {
  let bits: u32 = 0;
  for (let symbol: u32 = 0; symbol < FIRST_LENGTH; symbol++) {
    bits += load<u32>(LITLEN_COUNTS + (symbol << 2)) * load<u8>(litlenLengths + symbol);
  }
  for (let slot: u32 = 0; slot < LENGTH_SLOTS; slot++) {
    const symbol = FIRST_LENGTH + slot;
    bits += load<u32>(LITLEN_COUNTS + (symbol << 2)) * (load<u8>(litlenLengths + symbol) + lengthExtra(slot));
  }
  for (let slot: u32 = 0; slot < DISTANCE_SYMBOLS; slot++) {
    bits += load<u32>(DISTANCE_COUNTS + (slot << 2)) * (load<u8>(distanceLengths + slot) + distanceExtra(slot));
  }
  return bits;
}

/** Bits of `length` bytes as stored blocks, the padding before them included. */
function storedSize(length: usize): u32 {
  const blocks = <u32>((length + LONGEST_STORED - 1) / LONGEST_STORED);
  const padding = (0 - (bitCount + BLOCK_HEADER_BITS)) & 7;
  // From the second on a block begins at a byte: its header takes one, its length and the complement four.
  return BLOCK_HEADER_BITS + padding + 32 + (max(blocks, 1) - 1) * 40 + (<u32>length << 3);
}

/** Section 3.2.4; as many blocks as `length` bytes need, but one for none. */
function writeStored(source: usize, length: usize, final: bool): void {
  let at = source;
  let left = length;
  do {
    const part = <u32>min(left, <usize>LONGEST_STORED);
    left -= part;
    putBits((final && left == 0 ? 1 : 0) | (STORED << 1), BLOCK_HEADER_BITS);
    alignToByte();
    putBits(part | ((part ^ 0xffff) << 16), 32);
    putBytes(at, part);
    at += part;
  } while (left > 0);
}

/** Decides what is sent for the code lengths (section 3.2.7). Returns its bits. */
function planHeader(): u32 {
  sentLitlens = lastUsed(LITLEN_LENGTHS, LITLEN_SYMBOLS, 257);
  sentDistances = lastUsed(DISTANCE_LENGTHS, DISTANCE_SYMBOLS, 1);
  memory.copy(SENT_LENGTHS, LITLEN_LENGTHS, sentLitlens);
  memory.copy(SENT_LENGTHS + sentLitlens, DISTANCE_LENGTHS, sentDistances);
  memory.fill(PRECODE_COUNTS, 0, PRECODE_SYMBOLS << 2);
  headerItems = collectItems(sentLitlens + sentDistances);
  makeCode(PRECODE_COUNTS, PRECODE_SYMBOLS, PRECODE_LIMIT, PRECODE_LENGTHS, PRECODE_CODES);
  sentPrecodes = PRECODE_SYMBOLS;
  while (sentPrecodes > 4 && load<u8>(PRECODE_LENGTHS + precodeAt(sentPrecodes - 1)) == 0) sentPrecodes--;
  let bits = NUMBERS_BITS + 3 * sentPrecodes;
  for (let symbol: u32 = 0; symbol < PRECODE_SYMBOLS; symbol++) {
    bits += load<u32>(PRECODE_COUNTS + (symbol << 2)) * (load<u8>(PRECODE_LENGTHS + symbol) + precodeExtra(symbol));
  }
  return bits;
}

/** How many lengths are sent: up to the last that is not 0, and at least `least`. */
function lastUsed(lengths: usize, symbols: u32, least: u32): u32 {
  let sent = symbols;
  while (sent > least && load<u8>(lengths + sent - 1) == 0) sent--;
  return sent;
}

/** One item of the header: a symbol of the code length code, and its extra bits from bit 5 on. */
@inline
function putItem(item: usize, symbol: u32, extra: u32): usize {
  const count = PRECODE_COUNTS + (symbol << 2);
  store<u32>(count, load<u32>(count) + 1);
  store<u16>(item, symbol | (extra << 5));
  return item + 2;
}

/** Turns the `total` lengths into items, with runs where that is possible. Returns how many items. */
function collectItems(total: u32): u32 {
  let item = HEADER_ITEMS;
  let at = SENT_LENGTHS;
  const end = SENT_LENGTHS + total;
  while (at < end) {
    const length: u32 = load<u8>(at);
    let runEnd = at + 1;
    while (runEnd < end && load<u8>(runEnd) == length) runEnd++;
    let run = <u32>(runEnd - at);
    at = runEnd;
    if (length == 0) {
      for (; run >= 11; run -= min(run, 138)) item = putItem(item, 18, min(run, 138) - 11);
      if (run >= 3) {
        item = putItem(item, 17, run - 3);
        run = 0;
      }
    } else if (run >= 4) {
      item = putItem(item, length, 0);
      for (run--; run >= 3; run -= min(run, 6)) item = putItem(item, 16, min(run, 6) - 3);
    }
    for (; run > 0; run--) item = putItem(item, length, 0);
  }
  return <u32>(item - HEADER_ITEMS) >> 1;
}

function writeHeader(): void {
  const numbers = (sentLitlens - 257) | ((sentDistances - 1) << 5) | ((sentPrecodes - 4) << 10);
  putBits(numbers, NUMBERS_BITS);
  for (let index: u32 = 0; index < sentPrecodes; index++) putBits(load<u8>(PRECODE_LENGTHS + precodeAt(index)), 3);
  const end = HEADER_ITEMS + (headerItems << 1);
  for (let at = HEADER_ITEMS; at < end; at += 2) {
    const item: u32 = load<u16>(at);
    const symbol = item & 31;
    const code = load<u32>(PRECODE_CODES + (symbol << 2));
    const length = code >> LENGTH_SHIFT;
    putBits(<u64>(code & CODE_MASK) | (<u64>(item >> 5) << length), length + precodeExtra(symbol));
  }
}

/** By length of a match: the code of its slot with the extra bits behind it. */
function prepareMatchLengths(litlenCodes: usize): void {
  for (let length = SHORTEST_MATCH; length <= LONGEST_MATCH; length++) {
    const slot = slotOfLength(length);
    const code = load<u32>(litlenCodes + ((FIRST_LENGTH + slot) << 2));
    const extra = (length - lengthBase(slot)) << (code >> LENGTH_SHIFT);
    store<u32>(MATCH_LENGTH_CODES + (length << 2), (code | extra) + (lengthExtra(slot) << LENGTH_SHIFT));
  }
}

/**
 * By slot of a distance, u64: the code, its length (from bit 16), the length with extra bits (from bit 24), and the
 * first distance - 1 of the slot (from bit 32).
 */
function prepareMatchDistances(distanceCodes: usize): void {
  for (let slot: u32 = 0; slot < DISTANCE_SYMBOLS; slot++) {
    const code = load<u32>(distanceCodes + (slot << 2));
    const length = code >> LENGTH_SHIFT;
    const low = (code & CODE_MASK) | (length << 16) | ((length + distanceExtra(slot)) << 24);
    store<u64>(MATCH_DISTANCE_CODES + (slot << 3), <u64>low | (<u64>(distanceBase(slot) - 1) << 32));
  }
}

@inline
function codeOf(codes: usize, symbol: u32): u32 {
  return load<u32>(codes + (<usize>symbol << 2));
}

/** Writes sequences and the end of the block; that there is room has been asked. */
function writeSymbols(source: usize, sequences: usize, litlenCodes: usize, distanceCodes: usize): void {
  prepareMatchLengths(litlenCodes);
  prepareMatchDistances(distanceCodes);
  let buffer = bitBuffer;
  let count: u64 = bitCount;
  let to = output;
  let at = source;
  let sequence = sequences;
  while (true) {
    let literals = load<u32>(sequence);
    const match = load<u32>(sequence, 4);
    sequence += 8;
    for (; literals >= 4; literals -= 4) {
      const word = load<u32>(at);
      at += 4;
      const first = codeOf(litlenCodes, word & 0xff);
      const second = codeOf(litlenCodes, (word >> 8) & 0xff);
      const third = codeOf(litlenCodes, (word >> 16) & 0xff);
      const fourth = codeOf(litlenCodes, word >> 24);
      buffer |= <u64>(first & CODE_MASK) << count;
      count += first >> LENGTH_SHIFT;
      buffer |= <u64>(second & CODE_MASK) << count;
      count += second >> LENGTH_SHIFT;
      buffer |= <u64>(third & CODE_MASK) << count;
      count += third >> LENGTH_SHIFT;
      buffer |= <u64>(fourth & CODE_MASK) << count;
      count += fourth >> LENGTH_SHIFT;
      store<u64>(to, buffer);
      to += <usize>(count >> 3);
      buffer >>= count & 56;
      count &= 7;
    }
    if (literals > 0) {
      for (; literals > 0; literals--) {
        const code = codeOf(litlenCodes, load<u8>(at++));
        buffer |= <u64>(code & CODE_MASK) << count;
        count += code >> LENGTH_SHIFT;
      }
      store<u64>(to, buffer);
      to += <usize>(count >> 3);
      buffer >>= count & 56;
      count &= 7;
    }
    const length = match & 0x1ff;
    if (length == 0) break;
    at += length;
    // 7 bits from before, at most 14 + 5 for the length and 15 + 13 for the distance.
    const lengthCode = load<u32>(MATCH_LENGTH_CODES + (<usize>length << 2));
    buffer |= <u64>(lengthCode & CODE_MASK) << count;
    count += lengthCode >> LENGTH_SHIFT;
    const distance = load<u64>(MATCH_DISTANCE_CODES + (<usize>((match >> 9) & 31) << 3));
    const extra = <u64>(match >> 16) - (distance >> 32);
    buffer |= ((distance & 0xffff) | (extra << ((distance >> 16) & 0xff))) << count;
    count += (distance >> 24) & 0xff;
    store<u64>(to, buffer);
    to += <usize>(count >> 3);
    buffer >>= count & 56;
    count &= 7;
  }
  setOutput(buffer, <u32>count, to);
  const end = codeOf(litlenCodes, END_OF_BLOCK);
  putBits(end & CODE_MASK, end >> LENGTH_SHIFT);
}
