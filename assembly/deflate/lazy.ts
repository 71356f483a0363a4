/**
 * The parser that decides as it goes: greedy or lazy.
 *
 * Greedy takes the longest match at each position. A lazy parser holds a match back and looks one position further, or
 * two: if a better one begins there, the byte before it becomes a literal. Better means longer by enough to pay
 * for the literal, where a nearer distance counts in proportion to the bits that it saves. Looking ahead needs
 * less depth than the first search, for most of the time it finds nothing better.
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
import { CHECK_AFTER_PASS, CHECK_BYTES, openSplit, shouldSplit } from './split';
import { packMatch, SEQUENCES, SEQUENCES_SIZE } from './workspace';

/** Stores a run of literals and the match behind it, and counts the match. */
@inline
function chooseMatch(sequence: usize, literals: usize, length: u32, distance: u32): void {
  const slot = slotOfDistance(distance);
  countLitlen(FIRST_LENGTH + slotOfLength(length));
  countDistance(slot);
  store<u32>(sequence, <u32>literals);
  store<u32>(sequence, packMatch(length, slot, distance), 4);
}

/** What a match is worth against another: four for each byte, less one for each bit of its distance. */
@inline
function worth(length: u32, distance: u32): i32 {
  return <i32>(length << 2) - <i32>(31 - clz(distance));
}

/**
 * Whether `found`, `ahead` positions further on, beats the match that is held back: it must be worth the `ahead`
 * literals before it, a byte longer for each or as much nearer.
 */
@inline
function isBetter(found: u32, held: u32, ahead: u32): bool {
  return worth(found >> 16, (found & 0xffff) + 1) - worth(held >> 16, (held & 0xffff) + 1) >= <i32>(4 * ahead) - 1;
}

/** Bytes at the end that are sent as literals: enough to load a word one position ahead. */
const TAIL: usize = ENTER_BYTES + 1;

/** Behind it there may be no room for what comes before the next check, a sequence for three bytes, and the last. */
const LAST_CHECKED: usize = SEQUENCES + SEQUENCES_SIZE - (CHECK_BYTES / 3 + 2) * 8;

// What stays from block to block.
let window: u32 = 0;
let depth: u32 = 0;
let nice: u32 = 0;
let looks: u32 = 0;
/** The position of address 0. */
let bias: u32 = 0;
/** Where the heads must be refreshed. */
let refreshAt: usize = 0;

/**
 * Compresses `length` bytes at `source` as blocks; false: they do not fit. `searchDepth`: candidates that are looked
 * at for a position; `niceLength`: a match of this length is taken at once; `positions`: how many are tried before a
 * match is taken, 0 (greedy), 1 (lazy) or 2.
 */
export function parse(
  source: usize,
  length: usize,
  largestDistance: u32,
  searchDepth: u32,
  niceLength: u32,
  positions: u32,
): bool {
  window = largestDistance;
  depth = searchDepth;
  nice = niceLength;
  looks = positions;
  bias = firstPosition(window) - <u32>source;
  refreshAt = source + refreshInterval(window);
  openChains();
  const end = source + length;
  let at = source;
  do {
    const start = at;
    clearCounts();
    openSplit();
    openLiterals(start);
    at = parseBlock(start, end);
    if (!writeBlock(start, at - start, SEQUENCES, at == end)) return false;
  } while (at < end);
  return true;
}

/** Stores the choices for one block and counts them; returns where it ends. */
function parseBlock(start: usize, end: usize): usize {
  const mask = linkMaskOf(window);
  const searchEnd = end - min(TAIL, end - start);
  const shortest = shortestUseful(surveyLiterals(start, end), depth);
  let at = start;
  let check = at + CHECK_BYTES;
  let literalStart = at;
  let sequence = SEQUENCES;
  // What is at `at`, and its heads, are computed one position ahead: after a branch that was guessed wrong the next
  // search then begins with its loads.
  let next = load<u32>(at);
  let next3 = head3(next);
  let next4 = head4(next);

  while (at < searchEnd) {
    if (at >= check) {
      if (at >= refreshAt) {
        refreshHeads(<u32>at + bias, window);
        refreshAt = at + refreshInterval(window);
      }
      if (sequence > LAST_CHECKED || shouldSplit(at - start, end - at)) break;
      const passed = passRandom(at, searchEnd);
      check = at + passed + (passed > 0 ? CHECK_AFTER_PASS : CHECK_BYTES);
      if (passed > 0) {
        enterSome(at, at + passed, <u32>at + bias, mask);
        at += passed;
        next = load<u32>(at);
        next3 = head3(next);
        next4 = head4(next);
        continue;
      }
    }
    const word = next;
    const near3 = next3;
    const near4 = next4;
    next = load<u32>(at, 1);
    next3 = head3(next);
    next4 = head4(next);
    const room = <u32>min(end - at, <usize>LONGEST_MATCH);
    let held = findMatch(at, <u32>at + bias, word, near3, near4, shortest - 1, room, nice, depth, window, mask);
    if (held == 0) {
      countLitlen(load<u8>(at++));
      continue;
    }
    let heldAt = at++;
    while (<u32>(at - heldAt) <= looks && held >> 16 < nice && at < searchEnd) {
      const word = next;
      const near3 = next3;
      const near4 = next4;
      next = load<u32>(at, 1);
      next3 = head3(next);
      next4 = head4(next);
      const ahead = <u32>(at - heldAt);
      const room = <u32>min(end - at, <usize>LONGEST_MATCH);
      const best = (held >> 16) - 1;
      const steps = (depth >> ahead) + 1;
      const found = findMatch(at, <u32>at + bias, word, near3, near4, best, room, nice, steps, window, mask);
      if (found != 0 && isBetter(found, held, ahead)) {
        for (; heldAt < at; heldAt++) countLitlen(load<u8>(heldAt));
        held = found;
      }
      at++;
    }
    chooseMatch(sequence, heldAt - literalStart, held >> 16, (held & 0xffff) + 1);
    sequence += 8;
    literalStart = heldAt + (held >> 16);
    if (literalStart > at) {
      skipPositions(at, end, <u32>at + bias, <u32>(literalStart - at), mask);
      at = literalStart;
      next = load<u32>(at);
      next3 = head3(next);
      next4 = head4(next);
    }
  }
  if (at >= searchEnd) {
    for (; at < end; at++) countLitlen(load<u8>(at));
  }
  store<u32>(sequence, <u32>(at - literalStart));
  store<u32>(sequence, 0, 4);
  return at;
}
