/**
 * Match finder with hash chains and second thoughts, for the levels that look for small results.
 *
 * Algorithm. A table knows the last place of every word of 4 or 5 bytes, a chain links each place to the one before it with the same
 * hash. A search walks the chain for a number of attempts and keeps the longest match. With `patience` 0 that match is
 * taken (greedy). With 1 or 2 the next one or two bytes are searched as well, and the match found there is taken instead
 * if it is worth the literals before it (lazy matching, as in deflate).
 *
 * What a match is worth: a byte that need not be coded as literal counts four points (about a quarter of what a literal costs a
 * point), a bit of the offset one point. A later match must beat the earlier one by a margin, which is the price of the
 * literals and grows with the distance. These are the proportions of zstd's lazy strategies.
 *
 * The chain may be shorter than the frame; then it forgets the oldest places.
 */
import {
  addLastLiterals, addSequence, frameStart, HASHED_BYTES, hashShort, matchLength, nextInsert, positionBase, SEARCH_MINIMUM, setNextInsert,
  SKIP_SHIFT,
} from './match-finder';
import { CHAIN, FIRST_TABLE, FOUND } from './workspace';

const POINTS_A_BYTE: i32 = 4;
/** What a match one or two bytes later must have more, in points. */
const MARGIN_1: i32 = 4;
const MARGIN_2: i32 = 7;
/** A repeated offset at the next byte is compared with fewer points a byte: it tends to end the better match. */
const REPEAT_POINTS_A_BYTE: i32 = 3;
const REPEAT_MARGIN: i32 = 1;

let tableShift: u64 = 0;
let wordDrop: u64 = 0;
let chainMask: u32 = 0;
/** Where the best match of the last search begins. */
let bestFrom: usize = 0;

@inline
function bitsOf(offset: usize): i32 {
  return 31 - <i32>clz<u32>(<u32>offset);
}

/** Prepares for a block; parameters as for `findChained`. */
export function openChain(tableLog: u32, chainLog: u32, wordBytes: u32): void {
  tableShift = <u64>(64 - tableLog);
  wordDrop = <u64>(64 - 8 * wordBytes);
  chainMask = (1 << chainLog) - 1;
}

/** Enters all positions before `at`; returns the head of the chain of `at`. */
function enterUpTo(at: usize): u32 {
  const base = positionBase;
  const position = <u32>(at - base);
  const shift = tableShift;
  const drop = wordDrop;
  const mask = chainMask;
  for (let entered = nextInsert; entered < position; entered++) {
    const head = hashShort(load<u64>(base + entered), drop, shift);
    store<u32>((entered & mask) << 2, load<u32>(head, FIRST_TABLE), CHAIN);
    store<u32>(head, entered, FIRST_TABLE);
  }
  setNextInsert(position);
  return load<u32>(hashShort(load<u64>(at), drop, shift), FIRST_TABLE);
}

/** The oldest position that the chain still links, seen from `position`. */
@inline
function lowestLinked(position: u32): u32 {
  return max(frameStart, position > chainMask ? position - chainMask : 0);
}

/** The longest match for `at` within `attempts` candidates; returns its length, `SEARCH_MINIMUM - 1` if there is none. */
function search(at: usize, end: usize, attempts: u32, enough: usize): usize {
  let candidate = enterUpTo(at);
  const base = positionBase;
  const mask = chainMask;
  const lowest = lowestLinked(<u32>(at - base));
  let best = SEARCH_MINIMUM - 1;
  while (candidate >= lowest && attempts-- != 0) {
    const from = base + candidate;
    // A longer match must at least agree in the four bytes that end behind the best one.
    if (load<u32>(from + best - 3) == load<u32>(at + best - 3)) {
      const length = matchLength(at, from, end);
      if (length > best) {
        best = length;
        bestFrom = from;
        if (length >= enough || at + length >= end) break;
      }
    }
    candidate = load<u32>((candidate & mask) << 2, CHAIN);
  }
  return best;
}

/**
 * Lists matches for `at` in `FOUND`, each longer than the one before it and farther away: length and offset, u32 each.
 * Returns the end of the list. Parameters as for `findChained`.
 */
export function collectMatches(at: usize, end: usize, attempts: u32, enough: usize): usize {
  let candidate = enterUpTo(at);
  const base = positionBase;
  const mask = chainMask;
  const lowest = lowestLinked(<u32>(at - base));
  let best = SEARCH_MINIMUM - 1;
  let found = FOUND;
  while (candidate >= lowest && attempts-- != 0) {
    const from = base + candidate;
    if (load<u32>(from + best - 3) == load<u32>(at + best - 3)) {
      const length = matchLength(at, from, end);
      if (length > best) {
        best = length;
        store<u32>(found, <u32>length);
        store<u32>(found, <u32>(at - from), 4);
        found += 8;
        if (length >= enough || at + length >= end) break;
      }
    }
    candidate = load<u32>((candidate & mask) << 2, CHAIN);
  }
  return found;
}

/**
 * Finds matches for the block from `source` to `end`. `tableLog`, `chainLog`: log2 of the entries; `attempts`: candidates of a
 * search; `patience`: 0 to 2; `enough`: a match of this length ends a search at once. `offset1` and `offset2` are the last
 * offsets of the block before.
 */
export function findChained(
  source: usize, end: usize, tableLog: u32, chainLog: u32, wordBytes: u32, attempts: u32, patience: u32, enough: usize,
  offset1: u32, offset2: u32,
): void {
  const frame = positionBase + frameStart;
  const stop = end - min(HASHED_BYTES, end - source);
  openChain(tableLog, chainLog, wordBytes);
  let anchor = source;
  let at = source;
  if (at == frame) at++;
  if (<usize>offset1 > at - frame) offset1 = 1;
  if (<usize>offset2 > at - frame) offset2 = 1;

  while (at < stop) {
    let start = at + 1;
    let length: usize = 0;
    let from = start - offset1;
    if (load<u32>(from) == load<u32>(start)) length = 4 + matchLength(start + 4, from + 4, end);
    if (length == 0 || patience != 0) {
      const found = search(at, end, attempts, enough);
      if (found >= SEARCH_MINIMUM && found > length) {
        length = found;
        start = at;
        from = bestFrom;
      }
    }
    if (length < SEARCH_MINIMUM) {
      at += 1 + ((at - anchor) >> SKIP_SHIFT);
      continue;
    }

    // Second thoughts: `at` moves on, at most `patience` bytes since the last improvement.
    for (let waited: u32 = 0; waited < patience && at + 1 < stop; ) {
      at++;
      waited++;
      if (length >= enough) break;
      const bits = start - from == offset1 ? 0 : bitsOf(start - from + 3);
      if (load<u32>(at) == load<u32>(at - offset1) && start - from != offset1) {
        const again: usize = 4 + matchLength(at + 4, at + 4 - offset1, end);
        if (<i32>again * REPEAT_POINTS_A_BYTE > <i32>length * REPEAT_POINTS_A_BYTE - bits + REPEAT_MARGIN) {
          length = again;
          start = at;
          from = at - offset1;
        }
      }
      const found = search(at, end, attempts, enough);
      if (found < SEARCH_MINIMUM) continue;
      const worth = <i32>found * POINTS_A_BYTE - bitsOf(at - bestFrom + 3);
      const margin = waited == 1 ? MARGIN_1 : MARGIN_2;
      const current = start - from == offset1 ? 0 : bitsOf(start - from + 3);
      if (worth > <i32>length * POINTS_A_BYTE - current + margin) {
        length = found;
        start = at;
        from = bestFrom;
        waited = 0;
      }
    }

    while (start > anchor && from > frame && load<u8>(start - 1) == load<u8>(from - 1)) {
      start--;
      from--;
      length++;
    }
    const offset = <u32>(start - from);
    if (offset != offset1) {
      offset2 = offset1;
      offset1 = offset;
    }
    addSequence(anchor, start - anchor, offset, length);
    at = start + length;
    anchor = at;

    while (at < stop && load<u32>(at - offset2) == load<u32>(at)) {
      const again: usize = 4 + matchLength(at + 4, at + 4 - offset2, end);
      const swapped = offset2;
      offset2 = offset1;
      offset1 = swapped;
      addSequence(anchor, 0, offset1, again);
      at += again;
      anchor = at;
    }
  }
  addLastLiterals(anchor, end);
}
