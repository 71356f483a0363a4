/**
 * Match finder with two hash tables, for the levels in the middle of the fast end (zstd's "double-fast" idea).
 *
 * Algorithm. One table knows the last place of every 8-byte word, the other of every 5-byte word (or another short
 * length). At each step the last offset is tried at the next byte, then the long table, then the short one; a match
 * of the short table is only taken after the long table had its chance at the next byte. The first match found is taken and
 * extended in both directions. There is no second thought, which is why one pass suffices.
 *
 * Optimizations.
 * - Tables are filled at the positions that are searched and at three positions of each match, not inside matches.
 * - Without a match for a while, steps become longer (`SKIP_SHIFT`).
 * - A long entry for the next position is loaded one step ahead, because that load is what misses the cache.
 * - Whether an entry is from this frame is as good as random, and a mispredicted branch costs more than all else of a step.
 *   So the words are compared first, with the frame's first word in place of an entry that is too old; that they are equal is
 *   rare, and only then the entry's age is looked at.
 */
import {
  addLastLiterals, addSequence, frameStart, hashLong, hashShort, HASHED_BYTES, matchLength, positionBase, SKIP_SHIFT,
} from './match-finder';
import { FIRST_TABLE, SECOND_TABLE } from './workspace';

/**
 * Finds matches for the block from `source` to `end`. `longLog` and `shortLog`: log2 of the tables' entries; `shortBytes`: 4
 * to 7. `offset1` and `offset2` are the last offsets of the block before.
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

  while (at < stop) {
    // Search: leaves `at`, `from` and `length`.
    let from: usize = 0;
    let length: usize = 0;
    let word = load<u64>(at);
    let longHash = hashLong(word, longShift);
    let longEntry = load<u32>(longHash, FIRST_TABLE);
    for (;;) {
      const shortHash = hashShort(word, drop, shortShift);
      const shortEntry = load<u32>(shortHash, SECOND_TABLE);
      const position = <u32>(at - base);
      store<u32>(longHash, position, FIRST_TABLE);
      store<u32>(shortHash, position, SECOND_TABLE);
      const next = min(at + 1 + ((at - anchor) >> SKIP_SHIFT), stop);

      if (load<u32>(at + 1 - offset1) == <u32>(word >> 8)) {
        at++;
        from = at - offset1;
        length = 4 + matchLength(at + 4, from + 4, end);
        break;
      }
      const nextWord = load<u64>(next);
      const nextHash = hashLong(nextWord, longShift);
      if (load<u64>(base + max(longEntry, lowest)) == word && longEntry >= lowest) {
        from = base + longEntry;
        length = 8 + matchLength(at + 8, from + 8, end);
        break;
      }
      const nextEntry = load<u32>(nextHash, FIRST_TABLE);
      if (load<u32>(base + max(shortEntry, lowest)) == <u32>word && shortEntry >= lowest) {
        from = base + shortEntry;
        length = 4 + matchLength(at + 4, from + 4, end);
        if (next < stop && nextEntry >= lowest && load<u64>(base + nextEntry) == nextWord) {
          const nextLength: usize = 8 + matchLength(next + 8, base + nextEntry + 8, end);
          if (nextLength > length) {
            store<u32>(nextHash, <u32>(next - base), FIRST_TABLE);
            at = next;
            from = base + nextEntry;
            length = nextLength;
          }
        }
        break;
      }
      if (next >= stop) {
        addLastLiterals(anchor, end);
        return;
      }
      at = next;
      word = nextWord;
      longHash = nextHash;
      longEntry = nextEntry;
    }

    while (at > anchor && from > frame && load<u8>(at - 1) == load<u8>(from - 1)) {
      at--;
      from--;
      length++;
    }
    const offset = <u32>(at - from);
    if (offset != offset1) {
      offset2 = offset1;
      offset1 = offset;
    }
    addSequence(anchor, at - anchor, offset, length);
    const early = at + 2;
    at += length;
    anchor = at;
    if (at >= stop) break;

    // Some positions of the match: the word near its start, and the last ones, which the next match may continue.
    store<u32>(hashLong(load<u64>(early), longShift), <u32>(early - base), FIRST_TABLE);
    store<u32>(hashLong(load<u64>(at - 2), longShift), <u32>(at - 2 - base), FIRST_TABLE);
    store<u32>(hashShort(load<u64>(early), drop, shortShift), <u32>(early - base), SECOND_TABLE);
    store<u32>(hashShort(load<u64>(at - 1), drop, shortShift), <u32>(at - 1 - base), SECOND_TABLE);

    // The offset before the last one often continues right behind a match; without literals it is cheap to say.
    while (load<u32>(at - offset2) == load<u32>(at)) {
      const again: usize = 4 + matchLength(at + 4, at + 4 - offset2, end);
      const swapped = offset2;
      offset2 = offset1;
      offset1 = swapped;
      store<u32>(hashLong(load<u64>(at), longShift), <u32>(at - base), FIRST_TABLE);
      store<u32>(hashShort(load<u64>(at), drop, shortShift), <u32>(at - base), SECOND_TABLE);
      addSequence(anchor, 0, offset1, again);
      at += again;
      anchor = at;
      if (at >= stop) break;
    }
  }
  addLastLiterals(anchor, end);
}
