/**
 * Match finder with two hash tables, for the levels in the middle of the fast end (zstd's "double-fast" idea).
 *
 * Algorithm. One table knows the last place of every 8-byte word, the other of every 5-byte word (or another short
 * length). At each step the last offset is tried at the next byte, then the long table, then the short one; a match of
 * the short table is only taken after the long table had its chance at the next byte. The first match found is taken
 * and extended in both directions. There is no second thought, which is why one pass suffices.
 *
 * Optimizations.
 * - Tables are filled at the positions that are searched and at three positions of each match, not inside matches.
 * - Without a match for a while, steps become longer (`SKIP_SHIFT`).
 * - A long entry for the next position is loaded one step ahead, because that load is what misses the cache.
 * - Whether an entry is from this frame is as good as random, and a mispredicted branch costs more than all else of a
 *   step. So the words are compared first, with the frame's first word in place of an entry that is too old; that they
 *   are equal is rare, and only then the entry's age is looked at.
 */
import {
  addLastLiterals, addSequence, commonBefore, frameStart, hashLong, hashShort, HASHED_BYTES, matchLength, positionBase,
  SKIP_SHIFT,
} from './match-finder';
import { FIRST_TABLE, SECOND_TABLE } from './workspace';

/** The match that `search` found: where it begins, where it is copied from, its length. */
let foundAt: usize = 0;
let foundFrom: usize = 0;
let foundLength: usize = 0;

@inline
function found(at: usize, from: usize, length: usize): bool {
  foundAt = at;
  foundFrom = from;
  foundLength = length;
  return true;
}

/** Searches from `at` on; false if there is no match that begins before `stop`. */
@inline
function search(
  at: usize, anchor: usize, stop: usize, end: usize, base: usize, lowest: u32, offset: u32,
  longShift: u64, shortShift: u64, drop: u64,
): bool {
  let word = load<u64>(at);
  let longHash = hashLong(word, longShift);
  let longEntry = load<u32>(longHash, FIRST_TABLE);
  while (at < stop) {
    const shortHash = hashShort(word, drop, shortShift);
    const shortEntry = load<u32>(shortHash, SECOND_TABLE);
    store<u32>(longHash, <u32>(at - base), FIRST_TABLE);
    store<u32>(shortHash, <u32>(at - base), SECOND_TABLE);
    const next = min(at + 1 + ((at - anchor) >> SKIP_SHIFT), stop);
    if (load<u32>(at + 1 - offset) == <u32>(word >> 8)) {
      return found(at + 1, at + 1 - offset, 4 + matchLength(at + 5, at + 5 - offset, end));
    }
    if (load<u64>(base + max(longEntry, lowest)) == word && longEntry >= lowest) {
      const from = base + longEntry;
      return found(at, from, 8 + matchLength(at + 8, from + 8, end));
    }
    const nextWord = load<u64>(next);
    longHash = hashLong(nextWord, longShift);
    longEntry = load<u32>(longHash, FIRST_TABLE);
    if (load<u32>(base + max(shortEntry, lowest)) == <u32>word && shortEntry >= lowest) {
      const from = base + shortEntry;
      found(at, from, 4 + matchLength(at + 4, from + 4, end));
      if (next < stop && longEntry >= lowest && load<u64>(base + longEntry) == nextWord) {
        const length: usize = 8 + matchLength(next + 8, base + longEntry + 8, end);
        if (length > foundLength) {
          store<u32>(longHash, <u32>(next - base), FIRST_TABLE);
          found(next, base + longEntry, length);
        }
      }
      return true;
    }
    word = nextWord;
    at = next;
  }
  return false;
}

/** Enters the word at `at` into the long table. */
@inline
function enterLong(at: usize, base: usize, shift: u64): void {
  store<u32>(hashLong(load<u64>(at), shift), <u32>(at - base), FIRST_TABLE);
}

/** Enters the word at `at` into the short table. */
@inline
function enterShort(at: usize, base: usize, drop: u64, shift: u64): void {
  store<u32>(hashShort(load<u64>(at), drop, shift), <u32>(at - base), SECOND_TABLE);
}

/**
 * Finds matches for the block from `source` to `end`. `longLog` and `shortLog`: log2 of the tables' entries;
 * `shortBytes`: 4 to 7. `offset1` and `offset2` are the last offsets of the block before.
 */
export function findDouble(
  source: usize, end: usize, longLog: u32, shortLog: u32, shortBytes: u32, offset1: u32, offset2: u32,
): void {
  const base = positionBase;
  const lowest = frameStart;
  const longShift = <u64>(64 - longLog);
  const shortShift = <u64>(64 - shortLog);
  const drop = <u64>(64 - 8 * shortBytes);
  const stop = end - min(HASHED_BYTES, end - source);
  const frame = base + lowest;
  let anchor = source;
  let at = source;
  if (at == frame) at++;
  // Distance 1 is possible everywhere from here on.
  if (<usize>offset1 > at - frame) offset1 = 1;
  if (<usize>offset2 > at - frame) offset2 = 1;

  while (at < stop && search(at, anchor, stop, end, base, lowest, offset1, longShift, shortShift, drop)) {
    const backward = commonBefore(foundAt, foundFrom, anchor, frame);
    const start = foundAt - backward;
    const offset = <u32>(foundAt - foundFrom);
    if (offset != offset1) {
      offset2 = offset1;
      offset1 = offset;
    }
    addSequence(anchor, start - anchor, offset, foundLength + backward);
    at = foundAt + foundLength;
    anchor = at;
    if (at >= stop) break;

    // Some positions of the match: a word near its start, and the last ones, which the next match may continue.
    enterLong(start + 2, base, longShift);
    enterLong(at - 2, base, longShift);
    enterShort(start + 2, base, drop, shortShift);
    enterShort(at - 1, base, drop, shortShift);

    // The offset before the last one often continues right behind a match; without literals it is cheap to say.
    while (at < stop && load<u32>(at - offset2) == load<u32>(at)) {
      const length: usize = 4 + matchLength(at + 4, at + 4 - offset2, end);
      const swapped = offset2;
      offset2 = offset1;
      offset1 = swapped;
      enterLong(at, base, longShift);
      enterShort(at, base, drop, shortShift);
      addSequence(at, 0, offset1, length);
      at += length;
      anchor = at;
    }
  }
  addLastLiterals(anchor, end);
}
