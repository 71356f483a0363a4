/**
 * Match finder with one hash table, for the fastest levels.
 *
 * Algorithm. The table knows the last place of every word of 4 to 7 bytes. At each step the last offset is tried at the
 * next byte, then the place the table names for this one; the first match is taken and extended in both directions.
 * Long words (6 or 7 bytes) find fewer, longer matches, which is quicker to find, to code and to read back.
 */
import {
  addLastLiterals, addSequence, commonBefore, frameStart, HASHED_BYTES, hashShort, matchLength, positionBase,
  SKIP_SHIFT,
} from './match-finder';
import { FIRST_TABLE } from './workspace';

/** Enters the word at `at` into the table. */
@inline
function enter(at: usize, base: usize, drop: u64, shift: u64): void {
  store<u32>(hashShort(load<u64>(at), drop, shift), <u32>(at - base), FIRST_TABLE);
}

/**
 * Finds matches for the block from `source` to `end`. `tableLog`: log2 of the table's entries; `wordBytes`: 4 to 7.
 * `offset1` and `offset2` are the last offsets of the block before.
 */
export function findFast(
  source: usize, end: usize, tableLog: u32, wordBytes: u32, offset1: u32, offset2: u32,
): void {
  const base = positionBase;
  const lowest = frameStart;
  const shift = <u64>(64 - tableLog);
  const drop = <u64>(64 - 8 * wordBytes);
  const stop = end - min(HASHED_BYTES, end - source);
  const frame = base + lowest;
  let anchor = source;
  let at = source;
  if (at == frame) at++;
  if (<usize>offset1 > at - frame) offset1 = 1;
  if (<usize>offset2 > at - frame) offset2 = 1;

  while (at < stop) {
    let from: usize = 0;
    let word = load<u64>(at);
    let hash = hashShort(word, drop, shift);
    for (;;) {
      const entry = load<u32>(hash, FIRST_TABLE);
      store<u32>(hash, <u32>(at - base), FIRST_TABLE);
      const next = min(at + 1 + ((at - anchor) >> SKIP_SHIFT), stop);
      if (load<u32>(at + 1 - offset1) == <u32>(word >> 8)) {
        at++;
        from = at - offset1;
        break;
      }
      // Compared before its age is looked at, as in match-double.
      if (load<u32>(base + max(entry, lowest)) == <u32>word && entry >= lowest) {
        from = base + entry;
        break;
      }
      if (next >= stop) {
        addLastLiterals(anchor, end);
        return;
      }
      at = next;
      word = load<u64>(at);
      hash = hashShort(word, drop, shift);
    }

    const length: usize = 4 + matchLength(at + 4, from + 4, end);
    const backward = commonBefore(at, from, anchor, frame);
    const start = at - backward;
    const offset = <u32>(at - from);
    if (offset != offset1) {
      offset2 = offset1;
      offset1 = offset;
    }
    addSequence(anchor, start - anchor, offset, length + backward);
    at += length;
    anchor = at;
    if (at >= stop) break;
    enter(start + 2, base, drop, shift);
    enter(at - 2, base, drop, shift);

    while (at < stop && load<u32>(at - offset2) == load<u32>(at)) {
      const again: usize = 4 + matchLength(at + 4, at + 4 - offset2, end);
      const swapped = offset2;
      offset2 = offset1;
      offset1 = swapped;
      enter(at, base, drop, shift);
      addSequence(at, 0, offset1, again);
      at += again;
      anchor = at;
    }
  }
  addLastLiterals(anchor, end);
}
