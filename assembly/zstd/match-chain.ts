/**
 * Match finder with hash chains and second thoughts, for the levels that look for small results.
 *
 * Algorithm. A table knows the last place of every word of 4 or 5 bytes, a chain links each place to the one before it
 * with the same hash. A search walks the chain for a number of attempts and keeps the longest match. With `patience` 0
 * that match is taken (greedy). With 1 or 2 the next one or two bytes are searched as well, and the match found there
 * is taken instead if it is worth the literals before it (lazy matching, as in deflate).
 *
 * What a match is worth: a byte that need not be coded as literal counts four points (about a quarter of what a literal
 * costs a point), a bit of the offset one point. A later match must beat the earlier one by a margin, which is the
 * price of the literals and grows with the distance. These are the proportions of zstd's lazy strategies.
 *
 * The chain may be shorter than the frame; then it forgets the oldest places.
 */
import { MINIMUM_MATCH } from './format';
import {
  addLastLiterals, addSequence, commonBefore, frameStart, HASHED_BYTES, hashShort, matchLength, nextInsert,
  positionBase, SEARCH_MINIMUM, setNextInsert, SKIP_SHIFT,
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

/** Bits of the offset value for a distance. */
@inline
function bitsOf(distance: usize): i32 {
  return 31 - <i32>clz<u32>(<u32>distance + MINIMUM_MATCH);
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

/**
 * The longest match for `at` within `attempts` candidates; returns its length, `SEARCH_MINIMUM - 1` if there is none.
 */
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

// The match at hand: where it begins, where it is copied from, its length.
let start: usize = 0;
let from: usize = 0;
let length: usize = 0;

@inline
function take(newStart: usize, newFrom: usize, newLength: usize): void {
  start = newStart;
  from = newFrom;
  length = newLength;
}

/** Points that the match at hand loses for its offset; a repeated one loses none. */
@inline
function offsetPoints(repeated: u32): i32 {
  return start - from == <usize>repeated ? 0 : bitsOf(start - from);
}

/** Length of the match at `at` with the last offset, 0 if there is none. */
@inline
function repeatedLength(at: usize, end: usize, offset: u32): usize {
  if (load<u32>(at) != load<u32>(at - offset)) return 0;
  return 4 + matchLength(at + 4, at + 4 - offset, end);
}

/** A first match for `at`, or for the byte behind it with the last offset; false if there is none. */
function findFirst(at: usize, end: usize, attempts: u32, patience: u32, enough: usize, offset: u32): bool {
  take(at + 1, at + 1 - offset, repeatedLength(at + 1, end, offset));
  if (length != 0 && patience == 0) return true;
  const found = search(at, end, attempts, enough);
  if (found >= SEARCH_MINIMUM && found > length) take(at, bestFrom, found);
  return length >= SEARCH_MINIMUM;
}

/** Second thoughts: looks at the positions behind `at` until `patience` of them in a row brought nothing better. */
function improve(at: usize, stop: usize, end: usize, attempts: u32, patience: u32, enough: usize, offset: u32): void {
  for (let waited: u32 = 1; waited <= patience && ++at < stop && length < enough; waited++) {
    const points = offsetPoints(offset);
    const repeated: usize = points == 0 ? 0 : repeatedLength(at, end, offset);
    const least = <i32>length * REPEAT_POINTS_A_BYTE - points + REPEAT_MARGIN;
    if (repeated != 0 && <i32>repeated * REPEAT_POINTS_A_BYTE > least) take(at, at - offset, repeated);
    const found = search(at, end, attempts, enough);
    if (found < SEARCH_MINIMUM) continue;
    const margin = waited == 1 ? MARGIN_1 : MARGIN_2;
    const worth = <i32>found * POINTS_A_BYTE - bitsOf(at - bestFrom);
    if (worth > <i32>length * POINTS_A_BYTE - offsetPoints(offset) + margin) {
      take(at, bestFrom, found);
      waited = 0;
    }
  }
}

/**
 * Finds matches for the block from `source` to `end`. `tableLog`, `chainLog`: log2 of the entries; `wordBytes`: 4 to 7;
 * `attempts`: candidates of a search; `patience`: 0 to 2; `enough`: a match of this length ends a search at once.
 * `offset1` and `offset2` are the last offsets of the block before.
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
  // Distance 1 is possible everywhere from here on.
  if (<usize>offset1 > at - frame) offset1 = 1;
  if (<usize>offset2 > at - frame) offset2 = 1;

  while (at < stop) {
    if (!findFirst(at, end, attempts, patience, enough, offset1)) {
      at += 1 + ((at - anchor) >> SKIP_SHIFT);
      continue;
    }
    improve(at, stop, end, attempts, patience, enough, offset1);
    const backward = commonBefore(start, from, anchor, frame);
    const offset = <u32>(start - from);
    if (offset != offset1) {
      offset2 = offset1;
      offset1 = offset;
    }
    addSequence(anchor, start - backward - anchor, offset, length + backward);
    at = start + length;
    anchor = at;
    while (at < stop && load<u32>(at - offset2) == load<u32>(at)) {
      const again = repeatedLength(at, end, offset2);
      const swapped = offset2;
      offset2 = offset1;
      offset1 = swapped;
      addSequence(at, 0, offset1, again);
      at += again;
      anchor = at;
    }
  }
  addLastLiterals(anchor, end);
}
