/**
 * Match finder: hash chains.
 *
 * Algorithm. Every position is entered into two hash tables, by its first three and by its first four bytes. `heads`
 * hold the last position of each hash; for four bytes, `links` lead from each position to the one before it with the
 * same hash, so that a chain runs from near to far. A search looks at the head of the three-byte table (a match of
 * three pays only when it is near) and follows the chain of the four-byte table up to `depth` steps or the window's end.
 *
 * Reasons.
 * - Positions are kept modulo 2^16, and links are distances. So nothing has to be moved when the window slides. A head
 *   that nobody has touched for 65536 bytes names a wrong position; it lies in the window all the same or is skipped, and
 *   every candidate is compared, so this costs a comparison and never a wrong match.
 * - The first position is `FIRST_POSITION`, more than the largest window away from 0, what empty heads hold.
 * - The tables fit the window: with 4 KiB there are never more than 4096 live positions, and all three tables then take
 *   what L1 has to offer. A larger table would have fewer collisions and more cache misses.
 * - A candidate is first compared where it must be better: its last four bytes up to one beyond the best match so far.
 *   Chains of long matches are passed with one comparison a step.
 * - The search is inlined at each place that calls it: branch prediction learns each by itself.
 */
import { LONGEST_MATCH } from './format';
import { MATCHER } from './workspace';

/** Multipliers of the hashes: odd, with well-mixed high bits (Knuth's golden ratio, and a prime of xxHash). */
const MULTIPLIER_4: u32 = 0x9e3779b1;
const MULTIPLIER_3: u32 = 0x85ebca77;

/** Beyond any window from the empty heads, which hold 0. */
export const FIRST_POSITION: u32 = 32769;

/** Bits of the hashes at most; see `openChains`. */
const MOST_HEAD_BITS: u32 = 15;

const HEADS_4: usize = MATCHER;
const HEADS_3: usize = HEADS_4 + (2 << MOST_HEAD_BITS);
const LINKS: usize = HEADS_3 + (2 << MOST_HEAD_BITS);

/** Bytes that must lie between a position and the end of the source for it to be entered. */
export const ENTER_BYTES: usize = 4;

export let headShift4: u32 = 0;
export let headShift3: u32 = 0;
export let linkMask: u32 = 0;

/** Empties the tables and fits them to a window of `window` bytes, 256 to 32768. */
export function openChains(window: u32): void {
  const windowBits = 32 - clz(window - 1);
  const headBits = min(windowBits + HEAD_BITS_BEYOND_WINDOW, MOST_HEAD_BITS);
  headShift4 = 32 - headBits;
  headShift3 = 32 - (headBits - HEAD_BITS_LESS_FOR_3);
  linkMask = (1 << windowBits) - 1;
  memory.fill(HEADS_4, 0, <usize>2 << headBits);
  memory.fill(HEADS_3, 0, <usize>2 << (headBits - HEAD_BITS_LESS_FOR_3));
}

const HEAD_BITS_BEYOND_WINDOW: u32 = 1;
const HEAD_BITS_LESS_FOR_3: u32 = 1;

/** Distance to the last position with the same hash in `heads`, modulo 2^16; `position` takes its place. */
@inline
function replaceHead(head: usize, position: u32): u32 {
  const distance = (position - <u32>load<u16>(head)) & 0xffff;
  store<u16>(head, position);
  return distance;
}

@inline
function head4(word: u32, shift: u32): usize {
  return HEADS_4 + (<usize>((word * MULTIPLIER_4) >> shift) << 1);
}

@inline
function head3(word: u32, shift: u32): usize {
  return HEADS_3 + (<usize>(((word << 8) * MULTIPLIER_3) >> shift) << 1);
}

/** Enters the `count` positions from `at` on; those too near to `end` are left out. */
@inline
export function skipPositions(at: usize, end: usize, position: u32, count: u32, shift4: u32, shift3: u32, mask: u32): void {
  const stop = min(at + count, max(end - ENTER_BYTES, at));
  for (; at < stop; at++) {
    const word = load<u32>(at);
    replaceHead(head3(word, shift3), position);
    const distance = replaceHead(head4(word, shift4), position);
    store<u16>(LINKS + (<usize>(position & mask) << 1), distance);
    position++;
  }
}

/** How many bytes at `a` and `b` agree; the first `from` do. At most `limit`. */
@inline
export function matchLength(a: usize, b: usize, from: u32, limit: u32): u32 {
  let length = from;
  while (length < limit) {
    const difference = load<u64>(a + length) ^ load<u64>(b + length);
    if (difference != 0) return min(length + (<u32>ctz(difference) >> 3), limit);
    length += 8;
  }
  return limit;
}

/**
 * Enters `position`, which is the source's byte `at`, and looks for a match of more than `best` bytes. Returns
 * length << 16 | distance - 1 of the longest one that it finds, or 0. `longest`: how long a match may be; `nice`: stop when it is this
 * long; at least `ENTER_BYTES` bytes must follow.
 */
@inline
export function findMatch(
  at: usize,
  position: u32,
  best: u32,
  longest: u32,
  nice: u32,
  depth: u32,
  window: u32,
  shift4: u32,
  shift3: u32,
  mask: u32,
): u32 {
  const word = load<u32>(at);
  const near = replaceHead(head3(word, shift3), position);
  let distance = replaceHead(head4(word, shift4), position);
  store<u16>(LINKS + (<usize>(position & mask) << 1), distance);
  let found: u32 = 0;
  let left = depth;

  if (best < 4) {
    if (best < 3 && near - 1 < window && (load<u32>(at - near) ^ word) << 8 == 0) {
      best = 3;
      found = (3 << 16) | (near - 1);
    }
    // The first match of four.
    while (distance - 1 < window) {
      if (load<u32>(at - distance) == word) {
        best = matchLength(at, at - distance, 4, longest);
        found = (best << 16) | (distance - 1);
        break;
      }
      if (--left == 0) return found;
      distance += load<u16>(LINKS + (<usize>((position - distance) & mask) << 1));
    }
    if (distance - 1 >= window || best >= nice || --left == 0) return found;
    distance += load<u16>(LINKS + (<usize>((position - distance) & mask) << 1));
  }

  // Longer ones: what reaches one byte further than the best.
  let tail = load<u32>(at + best - 3);
  while (distance - 1 < window) {
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
