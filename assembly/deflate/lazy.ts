/**
 * Parsers that decide as they go: greedy, lazy, and twice lazy.
 *
 * Greedy takes the longest match at each position. A lazy parser holds a match back and looks one position further (twice
 * lazy: two): if a better one begins there, the byte before it becomes a literal. Better means longer by enough to pay
 * for the literal, where a nearer distance counts in proportion to the bits that it saves. The second look needs
 * less depth than the first, for most of the time it finds nothing better.
 *
 * The choices go to the sequence store; a block is written when `split` says that it should end, or when it is full.
 */
import { clearCounts, countDistance, countLitlen, writeBlock } from './block';
import {
  ENTER_BYTES,
  findMatch,
  FIRST_POSITION,
  headShift3,
  headShift4,
  linkMask,
  openChains,
  skipPositions,
} from './chains';
import { FIRST_LENGTH, LONGEST_MATCH, slotOfDistance, slotOfLength } from './format';
import { shortestUseful, surveyLiterals } from './literals';
import { CHECK_BYTES, openSplit, shouldSplit } from './split';
import { LONGEST_BLOCK, LONGEST_LAST_BLOCK, packMatch, SEQUENCES } from './workspace';

/** Where the chosen match goes. */
@inline
function chooseMatch(sequence: usize, literals: usize, length: u32, distance: u32): void {
  const slot = slotOfDistance(distance);
  countLitlen(FIRST_LENGTH + slotOfLength(length));
  countDistance(slot);
  store<u32>(sequence, <u32>literals);
  store<u32>(sequence, packMatch(length, slot, distance), 4);
}

/** What a match is worth against another, in quarters of a byte: its length, less the bits of its distance. */
@inline
function worth(length: u32, distance: u32): i32 {
  return <i32>(length << 2) - <i32>(31 - clz(distance));
}

/** By how much a match must be worth more, one and two positions further on. */
const GAIN_AFTER_ONE: i32 = 3;
const GAIN_AFTER_TWO: i32 = 7;

/** Compresses `length` bytes at `source` as blocks. `looks`: positions that are tried before a match is taken, 0 to 2. */
@inline
function parse(source: usize, length: usize, window: u32, depth: u32, nice: u32, looks: u32): bool {
  const end = source + length;
  const bias = FIRST_POSITION - <u32>source;
  openChains(window);
  const shift4 = headShift4;
  const shift3 = headShift3;
  const mask = linkMask;
  let at = source;
  do {
    const blockStart = at;
    const blockEnd = end - at <= LONGEST_LAST_BLOCK ? end : at + LONGEST_BLOCK;
    let check = at + CHECK_BYTES;
    let literalStart = at;
    let sequence = SEQUENCES;
    clearCounts();
    openSplit();
    const shortest = shortestUseful(surveyLiterals(at, blockEnd), depth);

    while (at < blockEnd) {
      if (at >= check) {
        if (shouldSplit(at - blockStart, end - at)) break;
        check = at + CHECK_BYTES;
      }
      const left = end - at;
      if (left <= ENTER_BYTES + 2) {
        for (; at < end; at++) countLitlen(load<u8>(at));
        break;
      }
      const longest = <u32>min(left, <usize>LONGEST_MATCH);
      const enough = min(nice, longest);
      let found = findMatch(
        at, <u32>at + bias, shortest - 1, longest, enough, depth, window, shift4, shift3, mask,
      );
      if (found == 0) {
        countLitlen(load<u8>(at++));
        continue;
      }
      let matchLength = found >> 16;
      let matchDistance = (found & 0xffff) + 1;
      // Positions from `at` on that have been entered.
      let entered: u32 = 1;
      if (looks > 0) {
        while (matchLength < enough && end - at > ENTER_BYTES + 3) {
          found = findMatch(
            at + 1, <u32>at + 1 + bias, matchLength - 1, min(longest, <u32>(end - at - 1)), enough, (depth >> 1) + 1, window,
            shift4, shift3, mask,
          );
          if (found != 0 && worth(found >> 16, (found & 0xffff) + 1) - worth(matchLength, matchDistance) >= GAIN_AFTER_ONE) {
            countLitlen(load<u8>(at++));
            matchLength = found >> 16;
            matchDistance = (found & 0xffff) + 1;
            continue;
          }
          entered = 2;
          if (looks > 1) {
            found = findMatch(
              at + 2, <u32>at + 2 + bias, matchLength - 1, min(longest, <u32>(end - at - 2)), enough, (depth >> 2) + 1,
              window, shift4, shift3, mask,
            );
            entered = 3;
            if (
              found != 0 && worth(found >> 16, (found & 0xffff) + 1) - worth(matchLength, matchDistance) >= GAIN_AFTER_TWO
            ) {
              countLitlen(load<u8>(at++));
              countLitlen(load<u8>(at++));
              matchLength = found >> 16;
              matchDistance = (found & 0xffff) + 1;
              entered = 1;
              continue;
            }
          }
          break;
        }
      }
      chooseMatch(sequence, at - literalStart, matchLength, matchDistance);
      sequence += 8;
      if (matchLength > entered) {
        skipPositions(at + entered, end, <u32>at + entered + bias, matchLength - entered, shift4, shift3, mask);
      }
      at += matchLength;
      literalStart = at;
    }
    store<u32>(sequence, <u32>(at - literalStart));
    store<u32>(sequence, 0, 4);
    if (!writeBlock(blockStart, at - blockStart, SEQUENCES, at == end)) return false;
  } while (at < end);
  return true;
}

export function parseGreedily(source: usize, length: usize, window: u32, depth: u32, nice: u32): bool {
  return parse(source, length, window, depth, nice, 0);
}

export function parseLazily(source: usize, length: usize, window: u32, depth: u32, nice: u32): bool {
  return parse(source, length, window, depth, nice, 1);
}

export function parseTwiceLazily(source: usize, length: usize, window: u32, depth: u32, nice: u32): bool {
  return parse(source, length, window, depth, nice, 2);
}
