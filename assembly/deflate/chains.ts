/**
 * Match finder: hash chains.
 *
 * Algorithm. Every position is entered into two hash tables, by its first three and by its first four bytes. `heads`
 * hold the last position of each hash; for four bytes, `links` lead from each position to the one before it with the
 * same hash, so that a chain runs from near to far. A search looks at the head of the three-byte table (a match of
 * three pays only when it is near) and follows the chain of the four-byte table up to `depth` steps or the window's
 * end.
 *
 * Reasons.
 * - Positions are kept modulo 2^16, and links are distances: half the cache of 32-bit positions, and nothing has to be
 *   moved when the window slides. Only heads that nobody has touched for long would one day seem near again;
 *   `refreshHeads` moves them along, just beyond the window, once in nearly 64 KiB.
 * - The tables of heads have many more entries than the window has positions. A head that lies beyond the window
 *   proves that there is no match, without reading a candidate; the fuller the table, the more often the
 *   processor guesses wrong whether it is worth looking. That costs more than the cache misses of a sparse table.
 * - A candidate is first compared where it must be better: its last four bytes up to one beyond the best match so far.
 *   Chains of long matches are passed with one comparison a step.
 * - The search is inlined at each place that calls it: branch prediction learns each by itself.
 */
import { LONGEST_MATCH } from './format';
import { LONGEST_PASS } from './literals';
import { CHECK_AFTER_PASS, CHECK_BYTES } from './split';
import { MATCHER } from './workspace';

/** Multipliers of the hashes: odd, with well-mixed high bits (the golden ratio, and a prime of xxHash). */
const MULTIPLIER_4: u32 = 0x9e3779b1;
const MULTIPLIER_3: u32 = 0x85ebca77;

/** Bits of the hashes: a table of four-byte heads takes 128 KiB, of three-byte heads 32 KiB. */
const HEAD_BITS_4: u32 = 16;
const HEAD_BITS_3: u32 = 14;
const SHIFT_4: u32 = 32 - HEAD_BITS_4;
const SHIFT_3: u32 = 32 - HEAD_BITS_3;

const HEADS_4: usize = MATCHER;
const HEADS_3: usize = HEADS_4 + (2 << HEAD_BITS_4);
const LINKS: usize = HEADS_3 + (2 << HEAD_BITS_3);

/** Bytes that must lie between a position and the end of the source for it to be entered. */
export const ENTER_BYTES: usize = 4;

/** The position of a source's first byte: empty heads, which hold 0, lie just beyond the window. */
@inline
export function firstPosition(window: u32): u32 {
  return window + 1;
}

/** Picks a position's link: positions modulo the power of two that holds the window. */
@inline
export function linkMaskOf(window: u32): u32 {
  return (1 << (32 - clz(window - 1))) - 1;
}

/** Empties the tables. */
export function openChains(): void {
  memory.fill(HEADS_4, 0, LINKS - HEADS_4);
}

/** After how many bytes the heads must be refreshed, when that is asked only every few KiB. */
@inline
export function refreshInterval(window: u32): usize {
  return 0xffff - window - 1 - LATE_REFRESH;
}

/**
 * How much later than asked a refresh may come. At a distance of 2^16 a head would seem to be at distance 0, and what is there
 * agrees with itself: the bound must hold. The longest way between two checks is a pass over random data, the search
 * behind it, and a block that ends there, whose successor checks after `CHECK_BYTES` for the first time; each of them may
 * end with a match that goes on behind it.
 */
const LATE_REFRESH: u32 = LONGEST_PASS + <u32>CHECK_AFTER_PASS + <u32>CHECK_BYTES + 3 * LONGEST_MATCH;

/** Moves every head that lies beyond the window at `position` just beyond it. */
export function refreshHeads(position: u32, window: u32): void {
  const here = i16x8.splat(<i16>position);
  const beyond = i16x8.splat(<i16>(position - window - 1));
  const reach = i16x8.splat(<i16>window);
  for (let at = HEADS_4; at < LINKS; at += 16) {
    const heads = v128.load(at);
    v128.store(at, v128.bitselect(beyond, heads, i16x8.gt_u(i16x8.sub(here, heads), reach)));
  }
}

/** Address of the head for the four bytes of `word`. */
@inline
export function head4(word: u32): usize {
  return HEADS_4 + (<usize>((word * MULTIPLIER_4) >> SHIFT_4) << 1);
}

/** Address of the head for the first three bytes of `word`. */
@inline
export function head3(word: u32): usize {
  return HEADS_3 + (<usize>(((word << 8) * MULTIPLIER_3) >> SHIFT_3) << 1);
}

/** Distance to the last position at `head`, modulo 2^16; `position` takes its place. */
@inline
function replaceHead(head: usize, position: u32): u32 {
  const distance = (position - <u32>load<u16>(head)) & 0xffff;
  store<u16>(head, position);
  return distance;
}

/** Enters the `count` positions from `at` on; those too near to `end` are left out. */
@inline
export function skipPositions(at: usize, end: usize, position: u32, count: u32, mask: u32): void {
  const stop = min(at + count, max(end - ENTER_BYTES, at));
  for (; at < stop; at++) {
    const word = load<u32>(at);
    store<u16>(head3(word), position);
    const distance = replaceHead(head4(word), position);
    store<u16>(LINKS + (<usize>(position & mask) << 1), distance);
    position++;
  }
}

/**
 * Of every so many positions that are passed without a search, one is entered: enough to find what is repeated later.
 */
const SOME: usize = 8;

/** Enters some of the positions from `at` to `end`. */
export function enterSome(at: usize, end: usize, position: u32, mask: u32): void {
  for (; at < end; at += SOME) {
    const word = load<u32>(at);
    store<u16>(head3(word), position);
    store<u16>(LINKS + (<usize>(position & mask) << 1), replaceHead(head4(word), position));
    position += <u32>SOME;
  }
}

/** How many bytes at `a` and `b` agree; the first `from` do. At most `limit`. */
@inline
function matchLength(a: usize, b: usize, from: u32, limit: u32): u32 {
  let length = from;
  while (length < limit) {
    const difference = load<u64>(a + length) ^ load<u64>(b + length);
    if (difference != 0) return min(length + (<u32>ctz(difference) >> 3), limit);
    length += 8;
  }
  return limit;
}

/**
 * Enters `position`, which is the source's byte `at`, and looks for a match of more than `best` bytes. `word` is what
 * is at `at`, `near3` and `near4` the heads for it. Returns length << 16 | distance - 1 of the longest match that it
 * finds, or 0. `longest`: how long a match may be; `nice`: stop when it is this long. At least `ENTER_BYTES` bytes
 * must follow.
 */
@inline
export function findMatch(
  at: usize,
  position: u32,
  word: u32,
  near3: usize,
  near4: usize,
  best: u32,
  longest: u32,
  nice: u32,
  depth: u32,
  window: u32,
  mask: u32,
): u32 {
  const near = replaceHead(near3, position);
  let distance = replaceHead(near4, position);
  store<u16>(LINKS + (<usize>(position & mask) << 1), distance);
  // What has no match of three has none of four.
  if (near > window) return 0;
  let found: u32 = 0;
  let left = depth;

  if (best < 4) {
    if (best < 3 && (load<u32>(at - near) ^ word) << 8 == 0) {
      best = 3;
      found = (3 << 16) | (near - 1);
    }
    // The first match of four.
    while (true) {
      if (distance > window) return found;
      if (load<u32>(at - distance) == word) break;
      if (--left == 0) return found;
      distance += load<u16>(LINKS + (<usize>((position - distance) & mask) << 1));
    }
    best = matchLength(at, at - distance, 4, longest);
    found = (best << 16) | (distance - 1);
    if (best >= nice || --left == 0) return found;
    distance += load<u16>(LINKS + (<usize>((position - distance) & mask) << 1));
  }

  // Longer ones: what reaches one byte further than the best.
  let tail = load<u32>(at + best - 3);
  while (distance <= window) {
    const candidate = at - distance;
    if (load<u32>(candidate + best - 3) == tail && load<u32>(candidate) == word) {
      const length = matchLength(at, candidate, 4, longest);
      if (length > best) {
        best = length;
        found = (length << 16) | (distance - 1);
        if (length >= nice) return found;
        tail = load<u32>(at + best - 3);
      }
    }
    if (--left == 0) return found;
    distance += load<u16>(LINKS + (<usize>((position - distance) & mask) << 1));
  }
  return found;
}

/**
 * As `findMatch`, but stores every match that is longer than all nearer ones, packed alike, from `matches` on, and
 * returns where they end. Among matches of one length only the nearest is of use.
 */
@inline
export function collectMatches(
  at: usize,
  position: u32,
  longest: u32,
  nice: u32,
  depth: u32,
  window: u32,
  mask: u32,
  matches: usize,
): usize {
  const word = load<u32>(at);
  const near = replaceHead(head3(word), position);
  let distance = replaceHead(head4(word), position);
  store<u16>(LINKS + (<usize>(position & mask) << 1), distance);
  let best: u32 = 3;
  if (near <= window && (load<u32>(at - near) ^ word) << 8 == 0) {
    store<u32>(matches, (3 << 16) | (near - 1));
    matches += 4;
  }
  for (let left = depth; left > 0 && distance <= window; left--) {
    const candidate = at - distance;
    if (load<u32>(candidate + best - 3) == load<u32>(at + best - 3) && load<u32>(candidate) == word) {
      const length = matchLength(at, candidate, 4, longest);
      if (length > best) {
        best = length;
        store<u32>(matches, (length << 16) | (distance - 1));
        matches += 4;
        if (length >= nice) break;
      }
    }
    distance += load<u16>(LINKS + (<usize>((position - distance) & mask) << 1));
  }
  return matches;
}
