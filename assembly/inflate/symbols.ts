/**
 * The symbols of a block: the fast loop, and the careful one for what is near the ends.
 *
 * Refill. `bits |= load64(next) << count; next += (63 - count) / 8; count |= 56` (Giesen, "Reading bits in far too many
 * ways", 2018, variant 4): no branch, and the bits above `count` are already the ones that the next refill brings. Only
 * the low six bits of the fast loop's count mean something, so an entry is subtracted whole instead of its low byte.
 *
 * A turn of the fast loop is up to three literals, or up to two and a match. It begins with at least 56 bits, of which
 * the literals take up to 11 each and a length up to 20; only then another refill may be due before the distance.
 * Matches are copied in whole vectors beyond their end; what is written too much, the next turn overwrites.
 */
import { BAD_CODE, BAD_DISTANCE, BLOCK_ENDED, NEAR_AN_END, OUTPUT_FULL, TRUNCATED } from './outcome';
import { bits, count, next, out, outEnd, outStart, refill, setBits, setOut, sourceEnd, take } from './stream';
import {
  CODE_BITS_MASK,
  CODE_BITS_SHIFT,
  END_OF_BLOCK,
  INVALID,
  LITERAL,
  LITLEN_ROOT_BITS,
  PATTERN_LANES,
  PATTERN_STEPS,
  SPECIAL,
  SUBTABLE,
  VALUE_SHIFT,
} from './tables';

/** Bytes of output that a turn of the fast loop may write: two literals, the longest match, and its last vectors. */
const FAST_OUTPUT: usize = 2 + 258 + 48;

/** Bytes of input that a turn may load: two refills move on by 14 bytes at most, and load 8. */
const FAST_INPUT: usize = 32;

/** Bits that a distance takes at most: code and extra bits. */
const DISTANCE_BITS: u64 = 15 + 13;

/** Decodes a block with the given tables, up to its end or the output's. Returns how that ended. */
export function decodeSymbols(litlenTable: usize, litlenBits: u32, distanceTable: usize, distanceBits: u32): i32 {
  const litlenMask: u32 = (1 << litlenBits) - 1;
  const distanceMask: u32 = (1 << distanceBits) - 1;
  if (outEnd - out > FAST_OUTPUT && sourceEnd - next > FAST_INPUT) {
    const outcome = decodeFast(litlenTable, litlenMask, distanceTable, distanceMask);
    if (outcome != NEAR_AN_END) return outcome;
  }
  return decodeCarefully(litlenTable, litlenMask, distanceTable, distanceMask);
}

/** By how many bytes a refill moves on when `held` bits (modulo 64) were left. */
@inline
function refilledBytes(held: u64): usize {
  return 7 - (<usize>(held >> 3) & 7);
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
  from += refilledBytes(held);
  held |= 56;
  while (from < inLimit && to < outLimit) {
    // What the last turn left, 11 bits or more, is enough for this lookup; it need not wait for the refill.
    let entry = entryFor(litlenTable, buffer, litlenMask);
    buffer |= load<u64>(from) << held;
    from += refilledBytes(held);
    held |= 56;
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
        continue;
      }
      if ((<u32>entry & SPECIAL) != 0) {
        outcome = (<u32>entry & END_OF_BLOCK) != 0 ? BLOCK_ENDED : BAD_CODE;
        break;
      }
    }
    const length = valueOf(entry, before);

    entry = entryFor(distanceTable, buffer, distanceMask);
    // Two literals and a length may have left 14 bits: enough for this lookup, not for distance and the next lookup.
    if ((held & 63) < DISTANCE_BITS + <u64>LITLEN_ROOT_BITS) {
      buffer |= load<u64>(from) << held;
      from += refilledBytes(held);
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
      if ((<u32>entry & SPECIAL) != 0) {
        outcome = BAD_CODE;
        break;
      }
    }
    const distance = valueOf(entry, before);
    if (distance > <u32>(to - start)) {
      outcome = BAD_DISTANCE;
      break;
    }
    copyMatch(to, length, distance);
    to += length;
  }
  setBits(buffer, <i32>held & 63, from);
  setOut(to);
  return outcome;
}

/** Decodes symbol by symbol, with every check, up to the end of the block or of the output. */
function decodeCarefully(litlenTable: usize, litlenMask: u32, distanceTable: usize, distanceMask: u32): i32 {
  while (true) {
    refill();
    const entry = takeEntry(litlenTable, litlenMask);
    if (count < 0) return TRUNCATED;
    if ((<u32>entry & INVALID) != 0 && (<u32>entry & SPECIAL) != 0) return BAD_CODE;
    if ((<u32>entry & LITERAL) != 0) {
      if (out == outEnd) return OUTPUT_FULL;
      store<u8>(out, <u8>(entry >> VALUE_SHIFT));
      setOut(out + 1);
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
    for (let at = out; at < out + part; at++) store<u8>(at, load<u8>(at - distance));
    setOut(out + part);
    if (part < length) return OUTPUT_FULL;
  }
}

/** The buffer before the bits of the last entry were taken. */
let taken: u64 = 0;

/** The next entry, through its subtable if it has one; its bits are consumed. */
function takeEntry(table: usize, mask: u32): u64 {
  let entry = entryFor(table, bits, mask);
  taken = bits;
  take(<i32>(entry & 31));
  if ((<u32>entry & SUBTABLE) != 0 && (<u32>entry & SPECIAL) != 0) {
    entry = subtableEntry(table, entry, bits);
    taken = bits;
    take(<i32>(entry & 31));
  }
  return entry;
}
