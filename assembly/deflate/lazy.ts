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
  enterSome,
  findMatch,
  firstPosition,
  head3,
  head4,
  linkMaskOf,
  openChains,
  refreshHeads,
  refreshInterval,
  skipPositions,
} from './chains';
import { FIRST_LENGTH, LONGEST_MATCH, slotOfDistance, slotOfLength } from './format';
import { openLiterals, passRandom, shortestUseful, surveyLiterals } from './literals';
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

/** Bytes at the end that are sent as literals: enough to look two positions ahead and load a word there. */
const TAIL: usize = ENTER_BYTES + 3;

/** Source bytes that are searched between two passes over random data. */
const CHECK_AFTER_PASS: usize = 512;

/** By how much a match must be worth more, one and two positions further on. */
const GAIN_AFTER_ONE: i32 = 3;
const GAIN_AFTER_TWO: i32 = 7;

/** Compresses `length` bytes at `source` as blocks. `looks`: positions that are tried before a match is taken, 0 to 2. */
@inline
function parse(source: usize, length: usize, window: u32, depth: u32, nice: u32, looks: u32): bool {
  const end = source + length;
  const bias = firstPosition(window) - <u32>source;
  const mask = linkMaskOf(window);
  // From here on no match is looked for: what is left is a few literals.
  const searchEnd = length > TAIL ? end - TAIL : source;
  let at = source;
  let refresh = at + refreshInterval(window);
  let longest = LONGEST_MATCH;
  openChains();
  // What will be found at the next position that is not entered yet.
  let word = load<u32>(at);
  let near3 = head3(word);
  let near4 = head4(word);
  do {
    const blockStart = at;
    const blockEnd = end - at <= LONGEST_LAST_BLOCK ? searchEnd : at + LONGEST_BLOCK;
    let check = at + CHECK_BYTES;
    let literalStart = at;
    let sequence = SEQUENCES;
    clearCounts();
    openSplit();
    openLiterals(at);
    const shortest = shortestUseful(surveyLiterals(at, end), depth);

    while (at < blockEnd) {
      if (at >= check) {
        if (at >= refresh) {
          refreshHeads(<u32>at + bias, window);
          refresh = at + refreshInterval(window);
        }
        if (shouldSplit(at - blockStart, end - at)) break;
        const passed = passRandom(at, searchEnd);
        if (passed > 0) {
          enterSome(at, at + passed, <u32>at + bias, mask);
          at += passed;
          word = load<u32>(at);
          near3 = head3(word);
          near4 = head4(word);
          check = at + CHECK_AFTER_PASS;
          continue;
        }
        check = at + CHECK_BYTES;
      }
      if (end - at < LONGEST_MATCH) {
        longest = <u32>(end - at);
        nice = min(nice, longest);
      }
      const word0 = word;
      const head30 = near3;
      const head40 = near4;
      word = load<u32>(at, 1);
      near3 = head3(word);
      near4 = head4(word);
      let found = findMatch(
        at, <u32>at + bias, word0, head30, head40, shortest - 1, longest, nice, depth, window, mask,
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
        while (matchLength < nice && at < searchEnd) {
          const word1 = word;
          const head31 = near3;
          const head41 = near4;
          word = load<u32>(at, 2);
          near3 = head3(word);
          near4 = head4(word);
          found = findMatch(
            at + 1, <u32>at + 1 + bias, word1, head31, head41, matchLength - 1, min(longest, <u32>(end - at - 1)), nice,
            (depth >> 1) + 1, window, mask,
          );
          if (found != 0 && worth(found >> 16, (found & 0xffff) + 1) - worth(matchLength, matchDistance) >= GAIN_AFTER_ONE) {
            countLitlen(load<u8>(at++));
            matchLength = found >> 16;
            matchDistance = (found & 0xffff) + 1;
            continue;
          }
          entered = 2;
          if (looks > 1) {
            const word2 = word;
            const head32 = near3;
            const head42 = near4;
            word = load<u32>(at, 3);
            near3 = head3(word);
            near4 = head4(word);
            found = findMatch(
              at + 2, <u32>at + 2 + bias, word2, head32, head42, matchLength - 1, min(longest, <u32>(end - at - 2)), nice,
              (depth >> 2) + 1, window, mask,
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
        skipPositions(at + entered, end, <u32>at + entered + bias, matchLength - entered, mask);
        word = load<u32>(at + matchLength);
        near3 = head3(word);
        near4 = head4(word);
      }
      at += matchLength;
      literalStart = at;
    }
    if (at >= searchEnd) {
      for (; at < end; at++) countLitlen(load<u8>(at));
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
