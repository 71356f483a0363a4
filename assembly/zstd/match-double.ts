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
 */
import {
  addLastLiterals, addSequence, frameStart, hash8, hashShort, HASHED_BYTES, matchLength, positionBase, SKIP_SHIFT,
} from './match-finder';
import { FIRST_TABLE, SECOND_TABLE } from './workspace';

/**
 * Finds matches for the block from `source` to `end`. `longLog` and `shortLog`: log2 of the tables' entries; `shortBytes`: 4
 * to 7. `offset1` and `offset2` are the last offsets of the block before, 0 for none.
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
  if (<usize>offset1 > at - frame) offset1 = 0;
  if (<usize>offset2 > at - frame) offset2 = 0;

  while (at < stop) {
    // Search: leaves `at`, `from` and `length`.
    let from: usize = 0;
    let length: usize = 0;
    let longHash = hash8(at, longShift);
    let longEntry = load<u32>(FIRST_TABLE + longHash);
    for (;;) {
      const shortHash = hashShort(at, drop, shortShift);
      const shortEntry = load<u32>(SECOND_TABLE + shortHash);
      const position = <u32>(at - base);
      store<u32>(FIRST_TABLE + longHash, position);
      store<u32>(SECOND_TABLE + shortHash, position);
      const next = min(at + 1 + ((at - anchor) >> SKIP_SHIFT), stop);

      if (offset1 != 0 && load<u32>(at + 1 - offset1) == load<u32>(at + 1)) {
        at++;
        from = at - offset1;
        length = 4 + matchLength(at + 4, from + 4, end);
        break;
      }
      const nextHash = hash8(next, longShift);
      if (longEntry >= lowest && load<u64>(base + longEntry) == load<u64>(at)) {
        from = base + longEntry;
        length = 8 + matchLength(at + 8, from + 8, end);
        break;
      }
      const nextEntry = load<u32>(FIRST_TABLE + nextHash);
      if (shortEntry >= lowest && load<u32>(base + shortEntry) == load<u32>(at)) {
        from = base + shortEntry;
        length = 4 + matchLength(at + 4, from + 4, end);
        if (next < stop && nextEntry >= lowest && load<u64>(base + nextEntry) == load<u64>(next)) {
          const nextLength: usize = 8 + matchLength(next + 8, base + nextEntry + 8, end);
          if (nextLength > length) {
            store<u32>(FIRST_TABLE + nextHash, <u32>(next - base));
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
    store<u32>(FIRST_TABLE + hash8(early, longShift), <u32>(early - base));
    store<u32>(FIRST_TABLE + hash8(at - 2, longShift), <u32>(at - 2 - base));
    store<u32>(SECOND_TABLE + hashShort(early, drop, shortShift), <u32>(early - base));
    store<u32>(SECOND_TABLE + hashShort(at - 1, drop, shortShift), <u32>(at - 1 - base));

    // The offset before the last one often continues right behind a match; without literals it is cheap to say.
    while (offset2 != 0 && load<u32>(at - offset2) == load<u32>(at)) {
      const again: usize = 4 + matchLength(at + 4, at + 4 - offset2, end);
      const swapped = offset2;
      offset2 = offset1;
      offset1 = swapped;
      store<u32>(FIRST_TABLE + hash8(at, longShift), <u32>(at - base));
      store<u32>(SECOND_TABLE + hashShort(at, drop, shortShift), <u32>(at - base));
      addSequence(anchor, 0, offset1, again);
      at += again;
      anchor = at;
      if (at >= stop) break;
    }
  }
  addLastLiterals(anchor, end);
}
