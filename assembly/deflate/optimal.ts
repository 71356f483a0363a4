/**
 * Parser that looks for the cheapest way through a block.
 *
 * Algorithm. First every match at every position of a block is collected. Then, from the end of the block backwards,
 * each position learns what the cheapest way from there to the end costs, and whether it begins with a literal or
 * with which match: the shortest path in a graph whose edges are literals and matches, every shorter length of a
 * match included. Costs depend on the codes and the codes on the choices, so this is done several times: the first
 * costs come from what a greedy parser would choose, the following from the way before. The smallest result is kept.
 *
 * A match of `nice` bytes is not worth thinking about: no others are collected for the bytes that it covers. That also
 * bounds the work on runs, where each position would have hundreds of matches.
 *
 * A node is eight bytes: u32 cost to the end of the block, u32 length << 16 | distance - 1 (a literal has length 1).
 */
import {
  clearCounts,
  countDistance,
  countLitlen,
  dynamicSize,
  makeBlockCodes,
  writeBlock,
} from './block';
import {
  collectMatches,
  ENTER_BYTES,
  firstPosition,
  linkMaskOf,
  openChains,
  refreshHeads,
  refreshInterval,
  skipPositions,
} from './chains';
import { setCosts } from './costs';
import { END_OF_BLOCK, FIRST_LENGTH, LONGEST_MATCH, SHORTEST_MATCH, slotOfDistance, slotOfLength } from './format';
import { CHECK_BYTES, openSplit, shouldSplit } from './split';
import {
  DISTANCE_COSTS,
  LENGTH_COSTS,
  LITERAL_COSTS,
  LONGEST_OPTIMAL_BLOCK,
  MATCHES,
  MATCHES_END,
  NODES,
  packMatch,
  SEQUENCES,
} from './workspace';

/** Bytes that the matches of one position and the bytes that its longest one covers can take. */
const MATCHES_ROOM: usize = 4 * 1024;

/** A pass that gains less than this share (2^-n) of a block is the last one. */
const SMALL_GAIN: u32 = 12;

/** Bytes at the end that are sent as literals. */
const TAIL: usize = ENTER_BYTES + 1;

@inline
function lengthOf(match: u32): u32 {
  return match >> 16;
}

@inline
function distanceOf(match: u32): u32 {
  return (match & 0xffff) + 1;
}

// Where collecting stands: the block that begins at `blockStart` goes up to `blockEnd`, its matches to `matchesEnd`.
let blockEnd: usize = 0;
let matchesEnd: usize = 0;
let refreshAt: usize = 0;

/** Compresses `length` bytes at `source` as blocks. `passes`: how often the costs are refined. */
export function parseOptimally(source: usize, length: usize, window: u32, depth: u32, nice: u32, passes: u32): bool {
  const end = source + length;
  openChains();
  refreshAt = source + refreshInterval(window);
  let at = source;
  do {
    clearCounts();
    openSplit();
    collectBlock(source, at, end, window, depth, nice);
    refine(at, passes);
    if (!writeBlock(at, blockEnd - at, SEQUENCES, blockEnd == end)) return false;
    at = blockEnd;
  } while (at < end);
  return true;
}

/**
 * Collects the matches of the block that begins at `start`, decides where it ends, and counts what a greedy parser
 * would choose.
 */
function collectBlock(source: usize, start: usize, end: usize, window: u32, depth: u32, nice: u32): void {
  const bias = firstPosition(window) - <u32>source;
  const mask = linkMaskOf(window);
  const searchEnd = end - min(TAIL, end - start);
  const stop = min(searchEnd, start + LONGEST_OPTIMAL_BLOCK);
  let matches = MATCHES;
  let at = start;
  let check = at + CHECK_BYTES;
  // Up to here the greedy parser's last match reaches.
  let greedy = at;
  while (at < stop && MATCHES_END - matches > MATCHES_ROOM) {
    if (at >= check) {
      if (at >= refreshAt) {
        refreshHeads(<u32>at + bias, window);
        refreshAt = at + refreshInterval(window);
      }
      if (shouldSplit(at - start, end - at)) break;
      check = at + CHECK_BYTES;
    }
    const longest = <u32>min(<usize>LONGEST_MATCH, end - at);
    const first = matches;
    matches = collectMatches(at, <u32>at + bias, longest, min(nice, longest), depth, window, mask, matches);
    store<u32>(matches, <u32>(matches - first) >> 2);
    const best = matches == first ? 0 : load<u32>(matches - 4);
    matches += 4;
    if (at >= greedy) greedy += chooseGreedily(at, best);
    at++;
    if (lengthOf(best) >= nice) {
      const covered = lengthOf(best) - 1;
      skipPositions(at, end, <u32>at + bias, covered, mask);
      memory.fill(matches, 0, covered << 2);
      matches += covered << 2;
      at += covered;
    }
  }
  if (at >= searchEnd) {
    for (; at < end; at++) {
      if (at >= greedy) greedy += chooseGreedily(at, 0);
      store<u32>(matches, 0);
      matches += 4;
    }
  }
  blockEnd = at;
  matchesEnd = matches;
}

/** Counts a match, or the literal at `at` if there is none; returns its length. */
function chooseGreedily(at: usize, match: u32): u32 {
  if (match == 0) {
    countLitlen(load<u8>(at));
    return 1;
  }
  countLitlen(FIRST_LENGTH + slotOfLength(lengthOf(match)));
  countDistance(slotOfDistance(distanceOf(match)));
  return lengthOf(match);
}

/** Finds ways through the block until they get no cheaper; the best one is stored as sequences and counted. */
function refine(start: usize, passes: u32): void {
  let smallest: u32 = u32.MAX_VALUE;
  for (let pass: u32 = 0; pass < passes; pass++) {
    setCosts();
    findWay(start);
    countWay(start);
    const size = sizeOfCounts();
    if (size >= smallest) break;
    storeWay(start);
    if (smallest - size < size >> SMALL_GAIN) break;
    smallest = size;
  }
  countSequences(start);
}

/** Bits of the block with codes made for its counts. */
function sizeOfCounts(): u32 {
  countLitlen(END_OF_BLOCK);
  makeBlockCodes();
  return dynamicSize();
}

/** From the end to the start: the cheapest way from each position. */
function findWay(start: usize): void {
  let node = NODES + ((blockEnd - start) << 3);
  let matches = matchesEnd;
  let at = blockEnd;
  store<u32>(node, 0);
  const lastNode = node;
  while (at > start) {
    at--;
    node -= 8;
    let cheapest = load<u32>(LITERAL_COSTS + (<usize>load<u8>(at) << 2)) + load<u32>(node, 8);
    let choice: u32 = 1 << 16;
    matches -= 4;
    const count = load<u32>(matches);
    const end = matches;
    matches -= count << 2;
    const reach = <u32>((lastNode - node) >> 3);
    let length = SHORTEST_MATCH;
    for (let entry = matches; entry < end; entry += 4) {
      const match = load<u32>(entry);
      const distanceCost = load<u32>(DISTANCE_COSTS + (slotOfDistance(distanceOf(match)) << 2));
      const longest = min(lengthOf(match), reach);
      for (; length <= longest; length++) {
        const cost = distanceCost + load<u32>(LENGTH_COSTS + (length << 2)) + load<u32>(node + (<usize>length << 3));
        if (cost < cheapest) {
          cheapest = cost;
          choice = (length << 16) | (match & 0xffff);
        }
      }
    }
    store<u32>(node, cheapest);
    store<u32>(node, choice, 4);
  }
}

/** Counts the symbols of the way that `findWay` found. */
function countWay(start: usize): void {
  clearCounts();
  let at = start;
  while (at < blockEnd) {
    const choice = load<u32>(NODES + ((at - start) << 3), 4);
    at += lengthOf(choice) == 1 ? chooseGreedily(at, 0) : chooseGreedily(at, choice);
  }
}

/** Turns the way into sequences. */
function storeWay(start: usize): void {
  let at = start;
  let literals: u32 = 0;
  let sequence = SEQUENCES;
  while (at < blockEnd) {
    const choice = load<u32>(NODES + ((at - start) << 3), 4);
    const length = lengthOf(choice);
    at += length;
    if (length == 1) {
      literals++;
      continue;
    }
    const distance = distanceOf(choice);
    store<u32>(sequence, literals);
    store<u32>(sequence, packMatch(length, slotOfDistance(distance), distance), 4);
    sequence += 8;
    literals = 0;
  }
  store<u32>(sequence, literals);
  store<u32>(sequence, 0, 4);
}

/** Counts the symbols of the stored sequences. */
function countSequences(start: usize): void {
  clearCounts();
  let at = start;
  for (let sequence = SEQUENCES; ; sequence += 8) {
    for (const stop = at + load<u32>(sequence); at < stop; at++) countLitlen(load<u8>(at));
    const match = load<u32>(sequence, 4);
    const length = match & 0x1ff;
    if (length == 0) return;
    countLitlen(FIRST_LENGTH + slotOfLength(length));
    countDistance((match >> 9) & 31);
    at += length;
  }
}
