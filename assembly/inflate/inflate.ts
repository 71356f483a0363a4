/**
 * Inflate: RFC 1951 streams, raw or framed as RFC 1950 (zlib).
 *
 * Algorithm. The stream is read through a 64-bit buffer whose lowest bit is the next one, and decoded with the tables
 * of tables.ts. The symbols of a block are decoded by two loops (symbols.ts). The fast loop runs while both ends are
 * far away: it loads eight bytes at a time, decodes up to three literals or one match between refills, and checks
 * nothing but the distance. The careful loop decodes the rest symbol by symbol and checks everything.
 *
 * Bounds. The content's size is known, so a raw stream is right when it has filled the output, whatever follows; where it
 * also ends there, `streamLength` tells how long it is. A zlib stream must end and carry the right adler32. Whatever the input is, writes stay within
 * [target, target + size) and no byte behind the source's end has an effect.
 */
import { adler32 } from '../checksum';
import { setStreamLength } from '../stream-length';
import {
  BAD_BLOCK,
  BAD_CHECKSUM,
  BAD_CODE,
  BAD_HEADER,
  BLOCK_ENDED,
  OK,
  OUTPUT_FULL,
  TOO_LONG,
  TOO_SHORT,
  TRUNCATED,
} from './outcome';
import {
  bits,
  count,
  dropToByte,
  next,
  openStream,
  out,
  outEnd,
  outStart,
  refill,
  setNext,
  setOut,
  sourceEnd,
  take,
} from './stream';
import { decodeSymbols } from './symbols';
import {
  buildDistanceTable,
  buildLitlenTable,
  buildPrecodeTable,
  CODE_LENGTHS,
  DISTANCE_ROOT_BITS,
  DISTANCE_TABLE,
  FIXED_DISTANCE_BITS,
  FIXED_DISTANCE_TABLE,
  FIXED_LITLEN_BITS,
  FIXED_LITLEN_TABLE,
  LITLEN_ROOT_BITS,
  LITLEN_TABLE,
  PRECODE_BITS,
  PRECODE_ORDER,
  PRECODE_SYMBOLS,
  PRECODE_TABLE,
  prepareTables,
  VALUE_SHIFT,
} from './tables';

const STORED: u32 = 0;
const FIXED: u32 = 1;
const DYNAMIC: u32 = 2;

/**
 * Decompresses the stream of at most `length` bytes at `source` into exactly `size` bytes at `target`; they must not
 * overlap. `zlib`: with header and checksum. Returns 0, or why not: a code of outcome.ts.
 */
export function inflate(source: usize, length: usize, target: usize, size: usize, zlib: bool): i32 {
  prepareTables();
  openStream(source, length, target, size);
  setStreamLength(0);
  if (zlib && !readHeader()) return BAD_HEADER;
  let outcome = inflateBlocks();
  if (outcome == OK) {
    dropToByte();
    if (zlib) outcome = verifyTrailer();
    setStreamLength(<i32>(next - source));
    return outcome;
  }
  if (!zlib) return out == outEnd ? OK : outcome;
  return outcome == OUTPUT_FULL ? TOO_LONG : outcome;
}

/** RFC 1950, section 2.2: deflate, a window of at most 32 KiB, no dictionary, a multiple of 31. */
function readHeader(): bool {
  if (sourceEnd - next < 2) return false;
  const method: u32 = load<u8>(next);
  const flags: u32 = load<u8>(next, 1);
  setNext(next + 2);
  return (method & 15) == 8 && method >> 4 <= 7 && (flags & 0x20) == 0 && ((method << 8) | flags) % 31 == 0;
}

/** Section 2.2: the adler32 of the content, highest byte first. */
function verifyTrailer(): i32 {
  if (sourceEnd - next < 4) return TRUNCATED;
  const expected = bswap<u32>(load<u32>(next));
  setNext(next + 4);
  return expected == adler32(outStart, outEnd - outStart, 1) ? OK : BAD_CHECKSUM;
}

function inflateBlocks(): i32 {
  while (true) {
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

/** Section 3.2.4. */
function copyStored(): i32 {
  dropToByte();
  if (sourceEnd - next < 4) return TRUNCATED;
  const length = <usize>load<u16>(next);
  if (length != <usize>(load<u16>(next, 2) ^ 0xffff)) return BAD_BLOCK;
  setNext(next + 4);
  const part = min(length, outEnd - out);
  if (part > sourceEnd - next) return TRUNCATED;
  memory.copy(out, next, part);
  setOut(out + part);
  setNext(next + part);
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

