/**
 * Inflate: RFC 1951 streams, raw or framed as RFC 1950 (zlib).
 *
 * Algorithm. The stream is read through a 64-bit buffer whose lowest bit is the next one, and decoded with the tables of
 * tables.ts. Each block is decoded by two loops. The fast loop runs while both ends are far away: it loads eight bytes
 * at a time, decodes up to three literals or one match between refills, copies matches in whole vectors beyond their
 * end, and checks nothing but the distance. The careful loop decodes the rest symbol by symbol and checks everything.
 *
 * Refill. `bits |= load64(next) << count; next += (63 - count) / 8; count |= 56` (Giesen, "Reading bits in far too many
 * ways", 2018, variant 4): no branch, and the bits above `count` are already the ones that the next refill brings. Only
 * the low six bits of `count` mean something, so an entry is subtracted whole instead of its low byte.
 *
 * Bounds. The content's size is known, so the stream is right when it has filled the output: raw streams end there,
 * whatever follows. A zlib stream must also end and carry the right adler32. Whatever the input is, writes stay within
 * [target, target + size) and no byte behind the source's end has an effect.
 */
import { adler32 } from '../checksum';
import {
  buildDistanceTable,
  buildLitlenTable,
  buildPrecodeTable,
  CODE_BITS_MASK,
  CODE_BITS_SHIFT,
  CODE_LENGTHS,
  DISTANCE_ROOT_BITS,
  DISTANCE_TABLE,
  END_OF_BLOCK,
  FIXED_DISTANCE_BITS,
  FIXED_DISTANCE_TABLE,
  FIXED_LITLEN_BITS,
  FIXED_LITLEN_TABLE,
  INVALID,
  LITERAL,
  LITLEN_ROOT_BITS,
  LITLEN_TABLE,
  PATTERN_LANES,
  PATTERN_STEPS,
  PRECODE_BITS,
  PRECODE_ORDER,
  PRECODE_SYMBOLS,
  PRECODE_TABLE,
  prepareTables,
  SPECIAL,
  SUBTABLE,
  VALUE_SHIFT,
} from './tables';

// What went wrong; 0 is success.
const OK: i32 = 0;
/** The stream ends before the output is full, or inside a symbol. */
const TRUNCATED: i32 = 1;
/** Block type 3, or a stored block whose length and its complement differ. */
const BAD_BLOCK: i32 = 2;
/** Code lengths that are no Huffman code, or a code that stands for nothing. */
const BAD_CODE: i32 = 3;
/** A match that begins before the output does. */
const BAD_DISTANCE: i32 = 4;
/** The final block ended and the output is not full. */
const TOO_SHORT: i32 = 5;
/** A zlib stream that holds more than it should. */
const TOO_LONG: i32 = 6;
/** The zlib header is none, or asks for a dictionary. */
const BAD_HEADER: i32 = 7;
/** The adler32 does not match. */
const BAD_CHECKSUM: i32 = 8;

// What a loop over symbols ends with, beside an error.
const BLOCK_ENDED: i32 = 0;
const NEAR_AN_END: i32 = -1;
const OUTPUT_FULL: i32 = -2;

const STORED: u32 = 0;
const FIXED: u32 = 1;
const DYNAMIC: u32 = 2;

/** Bytes of output that the fast loop may write in one turn: two literals, the longest match, and its last vectors. */
const FAST_OUTPUT: usize = 2 + 258 + 48;

/** Bytes of input that one turn may load: it consumes at most 15 + 5 + 2 * 11 + 15 + 13 bits and holds 8 bytes. */
const FAST_INPUT: usize = 32;

/** Bits that a distance takes at most: code and extra bits. */
const DISTANCE_BITS: u64 = 15 + 13;

// The state between blocks and loops; the loops keep it in locals.
let bits: u64 = 0;
let count: i32 = 0;
let next: usize = 0;
let sourceEnd: usize = 0;
let out: usize = 0;
let outStart: usize = 0;
let outEnd: usize = 0;
/** Whether to go on when the output is full, until the final block ends. */
let toTheEnd: bool = false;

/**
 * Decompresses the stream of at most `length` bytes at `source` into exactly `size` bytes at `target`; they must not
 * overlap. `zlib`: with header and checksum. Returns 0, or why not.
 */
export function inflate(source: usize, length: usize, target: usize, size: usize, zlib: bool): i32 {
  prepareTables();
  bits = 0;
  count = 0;
  next = source;
  sourceEnd = source + length;
  out = target;
  outStart = target;
  outEnd = target + size;
  toTheEnd = zlib;
  if (zlib && !readHeader()) return BAD_HEADER;
  const outcome = inflateBlocks();
  if (!zlib) return outcome == OUTPUT_FULL ? OK : outcome;
  if (outcome == OUTPUT_FULL) return TOO_LONG;
  return outcome == OK ? verifyTrailer() : outcome;
}

/** RFC 1950, section 2.2: deflate, a window of at most 32 KiB, no dictionary, a multiple of 31. */
function readHeader(): bool {
  if (sourceEnd - next < 2) return false;
  const method: u32 = load<u8>(next);
  const flags: u32 = load<u8>(next, 1);
  next += 2;
  return (method & 15) == 8 && method >> 4 <= 7 && (flags & 0x20) == 0 && ((method << 8) | flags) % 31 == 0;
}

function verifyTrailer(): i32 {
  dropToByte();
  if (sourceEnd - next < 4) return TRUNCATED;
  return bswap<u32>(load<u32>(next)) == adler32(outStart, outEnd - outStart, 1) ? OK : BAD_CHECKSUM;
}

function inflateBlocks(): i32 {
  while (true) {
    if (out == outEnd && !toTheEnd) return OUTPUT_FULL;
    refill();
    if (count < 3) return TRUNCATED;
    const final = take(1);
    const type = take(2);
    let outcome = BAD_BLOCK;
    if (type == STORED) outcome = copyStored();
    else if (type == FIXED) outcome = decodeFixed();
    else if (type == DYNAMIC) outcome = decodeDynamic();
    if (outcome != BLOCK_ENDED) return outcome;
    if (final != 0) return out == outEnd ? OK : TOO_SHORT;
  }
}

/** Fills the buffer byte by byte, up to the end of the source; then 56 to 63 bits are there, or all that are left. */
function refill(): void {
  while (count < 56 && next < sourceEnd) {
    bits |= <u64>load<u8>(next++) << count;
    count += 8;
  }
}

/** The next `n` bits, which must be there. */
@inline
function take(n: i32): u32 {
  const value = <u32>bits & ((1 << n) - 1);
  bits >>= n;
  count -= n;
  return value;
}

/** Gives back the whole bytes that the buffer holds, and drops the rest of the byte before them. */
function dropToByte(): void {
  next -= count >> 3;
  bits = 0;
  count = 0;
}

/** Section 3.2.4. */
function copyStored(): i32 {
  dropToByte();
  if (sourceEnd - next < 4) return TRUNCATED;
  const length = <usize>load<u16>(next);
  if (length != <usize>(load<u16>(next, 2) ^ 0xffff)) return BAD_BLOCK;
  next += 4;
  const part = min(length, outEnd - out);
  if (part > sourceEnd - next) return TRUNCATED;
  memory.copy(out, next, part);
  out += part;
  next += part;
  return part == length ? BLOCK_ENDED : OUTPUT_FULL;
}

function decodeFixed(): i32 {
  return decodeSymbols(FIXED_LITLEN_TABLE, FIXED_LITLEN_BITS, FIXED_DISTANCE_TABLE, FIXED_DISTANCE_BITS);
}

/** Section 3.2.7. */
function decodeDynamic(): i32 {
  refill();
  if (count < 14) return TRUNCATED;
  const litlens = take(5) + 257;
  const distances = take(5) + 1;
  const precodes = take(4) + 4;
  if (litlens > 286 || distances > 30) return BAD_CODE;
  const error = readPrecode(precodes);
  if (error != OK) return error;
  const lengthsError = readCodeLengths(litlens + distances);
  if (lengthsError != OK) return lengthsError;
  // A block without end would be no block; zlib refuses it here, too.
  if (load<u8>(CODE_LENGTHS + 256) == 0) return BAD_CODE;
  // Distances first: their lengths lie behind the others.
  if (!buildDistanceTable(CODE_LENGTHS + litlens, distances)) return BAD_CODE;
  if (!buildLitlenTable(CODE_LENGTHS, litlens)) return BAD_CODE;
  return decodeSymbols(LITLEN_TABLE, LITLEN_ROOT_BITS, DISTANCE_TABLE, DISTANCE_ROOT_BITS);
}

/** The code for code lengths: `sent` lengths of three bits. */
function readPrecode(sent: u32): i32 {
  const lengths = CODE_LENGTHS;
  memory.fill(lengths, 0, PRECODE_SYMBOLS);
  for (let index: u32 = 0; index < sent; index++) {
    if (count < 3) {
      refill();
      if (count < 3) return TRUNCATED;
    }
    store<u8>(lengths + load<u8>(PRECODE_ORDER + index), take(3));
  }
  return buildPrecodeTable(lengths) ? OK : BAD_CODE;
}

/** The lengths of both codes as one sequence of `total`. */
function readCodeLengths(total: u32): i32 {
  let at = CODE_LENGTHS;
  const end = CODE_LENGTHS + total;
  while (at < end) {
    // A code of up to 7 bits and its up to 7 extra bits.
    if (count < 14) refill();
    const entry = load<u32>(PRECODE_TABLE + (<usize>(<u32>bits & ((1 << PRECODE_BITS) - 1)) << 2));
    take(<i32>(entry & 31));
    const symbol = entry >> VALUE_SHIFT;
    if (symbol < 16) {
      if (count < 0) return TRUNCATED;
      store<u8>(at++, <u8>symbol);
      continue;
    }
    if (symbol == 16 && at == CODE_LENGTHS) return BAD_CODE;
    const value = symbol == 16 ? load<u8>(at - 1) : 0;
    const repeat = symbol == 16 ? 3 + take(2) : symbol == 17 ? 3 + take(3) : 11 + take(7);
    if (count < 0) return TRUNCATED;
    memory.fill(at, value, repeat);
    at += repeat;
  }
  return at == end ? OK : BAD_CODE;
}

function decodeSymbols(litlenTable: usize, litlenBits: u32, distanceTable: usize, distanceBits: u32): i32 {
  const litlenMask: u32 = (1 << litlenBits) - 1;
  const distanceMask: u32 = (1 << distanceBits) - 1;
  if (outEnd - out > FAST_OUTPUT && sourceEnd - next > FAST_INPUT) {
    const outcome = decodeFast(litlenTable, litlenMask, distanceTable, distanceMask);
    if (outcome != NEAR_AN_END) return outcome;
  }
  return decodeCarefully(litlenTable, litlenMask, distanceTable, distanceMask);
}

@inline
function entryFor(table: usize, buffer: u64, mask: u32): u64 {
  return load<u32>(table + (<usize>(<u32>buffer & mask) << 2));
}

/** The entry of the subtable that `pointer` points to; the bits of the pointer have been consumed. */
@inline
function subtableEntry(table: usize, pointer: u64, buffer: u64): u64 {
  const indexBits = (<u32>pointer >> CODE_BITS_SHIFT) & CODE_BITS_MASK;
  const index = (<u32>pointer >> VALUE_SHIFT) + (<u32>buffer & ((1 << indexBits) - 1));
  return load<u32>(table + (<usize>index << 2));
}

/** Base and extra bits; `buffer` is as it was before code and extra bits were consumed. */
@inline
function valueOf(entry: u64, buffer: u64): u32 {
  const used = buffer & ~(<u64>-1 << (entry & 63));
  return (<u32>entry >> VALUE_SHIFT) + <u32>(used >> ((entry >> CODE_BITS_SHIFT) & CODE_BITS_MASK));
}

/** Copies `length` bytes from `distance` before `to`, in whole vectors: up to 47 bytes behind them are overwritten. */
@inline
function copyMatch(to: usize, length: u32, distance: u32): void {
  const stop = to + length;
  let from = to - distance;
  if (distance >= 16) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    if (length > 32) {
      to += 32;
      do {
        from += 32;
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
        to += 32;
      } while (to < stop);
    }
  } else {
    // The match repeats itself: a vector of its pattern, moved by the whole patterns that a vector holds.
    const pattern = i8x16.swizzle(v128.load(from), v128.load(PATTERN_LANES + (distance << 4)));
    const step: usize = load<u8>(PATTERN_STEPS + distance);
    do {
      v128.store(to, pattern);
      to += step;
    } while (to < stop);
  }
}

/** Decodes while input and output are far from their ends. */
function decodeFast(litlenTable: usize, litlenMask: u32, distanceTable: usize, distanceMask: u32): i32 {
  const inLimit = sourceEnd - FAST_INPUT;
  const outLimit = outEnd - FAST_OUTPUT;
  const start = outStart;
  let buffer = bits;
  let held: u64 = count;
  let from = next;
  let to = out;
  let outcome = NEAR_AN_END;

  buffer |= load<u64>(from) << held;
  from += 7 - ((<usize>held >> 3) & 7);
  held |= 56;
  let entry = entryFor(litlenTable, buffer, litlenMask);
  while (true) {
    let before = buffer;
    buffer >>= entry & 63;
    held -= entry;
    if ((<u32>entry & LITERAL) != 0) {
      store<u8>(to++, <u8>(entry >> VALUE_SHIFT));
      entry = entryFor(litlenTable, buffer, litlenMask);
      before = buffer;
      buffer >>= entry & 63;
      held -= entry;
      if ((<u32>entry & LITERAL) != 0) {
        store<u8>(to++, <u8>(entry >> VALUE_SHIFT));
        entry = entryFor(litlenTable, buffer, litlenMask);
        before = buffer;
        buffer >>= entry & 63;
        held -= entry;
        if ((<u32>entry & LITERAL) != 0) {
          store<u8>(to++, <u8>(entry >> VALUE_SHIFT));
          // 56 - 33 bits are left, enough to look the next symbol up before the refill.
          entry = entryFor(litlenTable, buffer, litlenMask);
          buffer |= load<u64>(from) << held;
          from += 7 - ((<usize>held >> 3) & 7);
          held |= 56;
          if (from >= inLimit || to >= outLimit) break;
          continue;
        }
      }
    }
    if ((<u32>entry & SPECIAL) != 0) {
      if ((<u32>entry & SUBTABLE) != 0) {
        entry = subtableEntry(litlenTable, entry, buffer);
        before = buffer;
        buffer >>= entry & 63;
        held -= entry;
      }
      if ((<u32>entry & LITERAL) != 0) {
        store<u8>(to++, <u8>(entry >> VALUE_SHIFT));
        buffer |= load<u64>(from) << held;
        from += 7 - ((<usize>held >> 3) & 7);
        held |= 56;
        entry = entryFor(litlenTable, buffer, litlenMask);
        if (from >= inLimit || to >= outLimit) break;
        continue;
      }
      if ((<u32>entry & (END_OF_BLOCK | INVALID)) != 0) {
        outcome = (<u32>entry & END_OF_BLOCK) != 0 ? BLOCK_ENDED : BAD_CODE;
        break;
      }
    }
    const length = valueOf(entry, before);

    entry = entryFor(distanceTable, buffer, distanceMask);
    // Two literals and a length may have left 14 bits: enough for this lookup, not for distance and the next lookup.
    if ((held & 63) < DISTANCE_BITS + <u64>LITLEN_ROOT_BITS) {
      buffer |= load<u64>(from) << held;
      from += 7 - ((<usize>held >> 3) & 7);
      held |= 56;
    }
    before = buffer;
    buffer >>= entry & 63;
    held -= entry;
    if ((<u32>entry & SPECIAL) != 0) {
      if ((<u32>entry & SUBTABLE) != 0) {
        entry = subtableEntry(distanceTable, entry, buffer);
        before = buffer;
        buffer >>= entry & 63;
        held -= entry;
      }
      if ((<u32>entry & INVALID) != 0) {
        outcome = BAD_CODE;
        break;
      }
    }
    const distance = valueOf(entry, before);
    if (distance > <u32>(to - start)) {
      outcome = BAD_DISTANCE;
      break;
    }
    // The next symbol's entry is on its way while the match is copied.
    entry = entryFor(litlenTable, buffer, litlenMask);
    buffer |= load<u64>(from) << held;
    from += 7 - ((<usize>held >> 3) & 7);
    held |= 56;
    copyMatch(to, length, distance);
    to += length;
    if (from >= inLimit || to >= outLimit) break;
  }
  count = <i32>held & 63;
  bits = buffer & ~(<u64>-1 << count);
  next = from;
  out = to;
  return outcome;
}

/** Decodes symbol by symbol, with every check, up to the end of the block or of the output. */
function decodeCarefully(litlenTable: usize, litlenMask: u32, distanceTable: usize, distanceMask: u32): i32 {
  while (true) {
    if (out == outEnd && !toTheEnd) return OUTPUT_FULL;
    refill();
    const entry = takeEntry(litlenTable, litlenMask);
    if (count < 0) return TRUNCATED;
    if ((<u32>entry & INVALID) != 0 && (<u32>entry & SPECIAL) != 0) return BAD_CODE;
    if ((<u32>entry & LITERAL) != 0) {
      if (out == outEnd) return OUTPUT_FULL;
      store<u8>(out++, <u8>(entry >> VALUE_SHIFT));
      continue;
    }
    if ((<u32>entry & SPECIAL) != 0) return BLOCK_ENDED;
    if (out == outEnd) return OUTPUT_FULL;
    const length = valueOf(entry, taken);
    const distanceEntry = takeEntry(distanceTable, distanceMask);
    if (count < 0) return TRUNCATED;
    if ((<u32>distanceEntry & SPECIAL) != 0) return BAD_CODE;
    const distance = valueOf(distanceEntry, taken);
    if (distance > <u32>(out - outStart)) return BAD_DISTANCE;
    const part = min(<usize>length, outEnd - out);
    for (const stop = out + part; out < stop; out++) store<u8>(out, load<u8>(out - distance));
    if (part < length) return OUTPUT_FULL;
  }
}

/** The buffer before the bits of the last entry were taken. */
let taken: u64 = 0;

/** The next entry, through its subtable if it has one; its bits are consumed. `count` below zero: they were not there. */
function takeEntry(table: usize, mask: u32): u64 {
  let entry = entryFor(table, bits, mask);
  taken = bits;
  bits >>= entry & 63;
  count -= <i32>(entry & 63);
  if ((<u32>entry & SUBTABLE) != 0 && (<u32>entry & SPECIAL) != 0) {
    entry = subtableEntry(table, entry, bits);
    taken = bits;
    bits >>= entry & 63;
    count -= <i32>(entry & 63);
  }
  return entry;
}
