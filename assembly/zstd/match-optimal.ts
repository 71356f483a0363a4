/**
 * Match finder that looks for the cheapest way through a block, for the levels that take their time.
 *
 * Algorithm. Positions are nodes of a graph; a literal is an edge to the next position, a match of every length from 3
 * to what was found is an edge too, and each edge costs the bits it will take. A pass from left to right keeps for each
 * position the cheapest way to it (dynamic programming, as in zstd's "btopt" and lzma). What an edge costs depends on
 * the way: the code of the literal length grows with the run of literals, and a repeated offset costs next to nothing.
 * So each node remembers the run and the three recent offsets of its cheapest way; that the second-best way might have
 * had the better offsets is neglected, which is why this is nearly optimal only.
 *
 * A stretch ends where no match reaches farther, where a match is long enough to be taken at once, or after
 * `STRETCH` bytes. Then its cheapest way is walked back and its sequences are added.
 *
 * Prices come from frequencies. For later blocks of a frame those are the frequencies of the block before. The first
 * block is rehearsed: parsed lazily, then parsed with the prices learned from that, and once more for the best level.
 * What a rehearsal finds is thrown away, and positions start anew, so that the tables are as good as empty.
 */
import {
  LITERAL_LENGTH_BITS, LITERAL_LENGTH_CODES, MATCH_LENGTH_BITS, MATCH_LENGTH_CODES, MINIMUM_MATCH, OFFSET_CODES,
} from './format';
import { logarithm } from './fse-encode';
import { countBytes } from './histogram';
import { collectMatches, findChained, openChain } from './match-chain';
import {
  addLastLiterals, addSequence, frameStart, HASHED_BYTES, hashShort, literalsEnd, matchLength, openBlock, positionBase,
  reopenFrame,
} from './match-finder';
import { countCodes, literalLengthCode, matchLengthCode, repeat1, repeat2, repeat3 } from './sequences-encode';
import {
  FOUND, HISTOGRAM, LITERALS, LITERAL_LENGTH_HISTOGRAM, LITERAL_LENGTH_PRICES, LITERAL_PRICES, MATCH_LENGTH_HISTOGRAM,
  MATCH_LENGTH_PRICES, NODES, OFFSET_HISTOGRAM, OFFSET_PRICES, SHORT_WORDS, SHORT_WORDS_LOG, STRETCH,
} from './workspace';

/** Prices are in 1/256 bit. */
const BIT: u32 = 256;
const UNREACHED: u32 = u32.MAX_VALUE;

// A node, 32 bytes: the cheapest way to a position.
const NODE_SHIFT: usize = 5;
/** That of the literals since the last match is part of it, so what a longer run replaces can always be taken off. */
const PRICE: usize = 0;
/** Length of the match that ends here; 0: a literal does. */
const LENGTH: usize = 4;
const OFFSET: usize = 8;
/** Literals since the last match. */
const RUN: usize = 12;
/** Recent offsets, valid as soon as the node is the starting point of edges. */
const RECENT1: usize = 16;
const RECENT2: usize = 20;
const RECENT3: usize = 24;
/** While walking back: the node after this one on the way. */
const NEXT: usize = 28;

/** Attempts of the lazy parse that is only there to learn from. */
const LEARNING_ATTEMPTS: u32 = 8;

/** Matches of three bytes pay where they are near, so the last place is all that is remembered of them. */
const SHORT_DROP: u64 = 64 - 24;
const SHORT_SHIFT: u64 = 64 - <u64>SHORT_WORDS_LOG;

/** The frame's frequencies are known. */
let learned = false;

export function forgetPrices(): void {
  learned = false;
}

/**
 * Prices for `codes` codes from how often they occur; each costs `bits` (u8) extra bits, or its number if that is 0.
 */
function learnCodes(histogram: usize, codes: u32, bits: usize, prices: usize): void {
  // One occurrence more for each code: what was not seen may still be needed.
  let total: u32 = codes;
  for (let code: u32 = 0; code < codes; code++) total += load<u32>(histogram + (code << 2));
  const whole = logarithm(total);
  for (let code: u32 = 0; code < codes; code++) {
    const extra = bits != 0 ? <u32>load<u8>(bits + code) : code;
    store<u32>(prices + (code << 2), whole - logarithm(load<u32>(histogram + (code << 2)) + 1) + extra * BIT);
  }
}

/** Takes the frequencies of the block encoded last. */
function learn(): void {
  learnCodes(LITERAL_LENGTH_HISTOGRAM, LITERAL_LENGTH_CODES, LITERAL_LENGTH_BITS, LITERAL_LENGTH_PRICES);
  learnCodes(MATCH_LENGTH_HISTOGRAM, MATCH_LENGTH_CODES, MATCH_LENGTH_BITS, MATCH_LENGTH_PRICES);
  learnCodes(OFFSET_HISTOGRAM, OFFSET_CODES, 0, OFFSET_PRICES);
  let total: u32 = 256;
  for (let at = HISTOGRAM; at < HISTOGRAM + 1024; at += 4) total += load<u32>(at);
  const whole = logarithm(total);
  for (let at: usize = 0; at < 1024; at += 4) {
    // Huffman codes have 11 bits at most and one at least.
    const price = whole - logarithm(load<u32>(HISTOGRAM + at) + 1);
    store<u32>(LITERAL_PRICES + at, min(max(price, BIT), 11 * BIT));
  }
  learned = true;
}

@inline
function nodeAt(index: usize): usize {
  return NODES + (index << NODE_SHIFT);
}

@inline
function runPrice(run: u32): u32 {
  return load<u32>(LITERAL_LENGTH_PRICES + (literalLengthCode(run) << 2));
}

@inline
function offsetPrice(value: u32): u32 {
  return load<u32>(OFFSET_PRICES + ((31 - clz<u32>(value)) << 2));
}

/** Settles a node's recent offsets, from the node its cheapest way comes from (sections 3.1.1.5). */
function settle(index: usize): void {
  const node = nodeAt(index);
  const length = load<u32>(node, LENGTH);
  const from = nodeAt(index - (length == 0 ? 1 : length));
  const recent1 = load<u32>(from, RECENT1);
  const recent2 = load<u32>(from, RECENT2);
  const recent3 = load<u32>(from, RECENT3);
  const offset = length == 0 ? recent1 : load<u32>(node, OFFSET);
  store<u32>(node, offset, RECENT1);
  store<u32>(node, offset == recent1 ? recent2 : recent1, RECENT2);
  store<u32>(node, offset == recent1 || offset == recent2 ? recent3 : recent2, RECENT3);
}

/** First position that is not among the short words. */
let nextShort: u32 = 0;
/** The last node that an edge leads to. */
let reach: usize = 0;
/** A match of this length is taken at once; edges are not longer. */
let enough: usize = 0;
/** The longest match at the position at hand, whole: its length and offset. */
let longLength: usize = 0;
let longOffset: u32 = 0;

/**
 * Offers the nodes behind a match of `shortest` to `longest` bytes a way by it, that costs `price` without its length.
 */
function offer(index: usize, price: u32, offset: u32, shortest: usize, longest: usize): void {
  if (longest > longLength) {
    longLength = longest;
    longOffset = offset;
  }
  longest = min(longest, enough);
  while (reach < index + longest) store<u32>(nodeAt(++reach), UNREACHED, PRICE);
  for (let length = shortest; length <= longest; length++) {
    const node = nodeAt(index + length);
    const code = matchLengthCode(<u32>length - MINIMUM_MATCH);
    const way = price + load<u32>(MATCH_LENGTH_PRICES + (code << 2));
    if (way < load<u32>(node, PRICE)) {
      store<u32>(node, way, PRICE);
      store<u32>(node, <u32>length, LENGTH);
      store<u32>(node, offset, OFFSET);
      store<u32>(node, 0, RUN);
    }
  }
}

@inline
function sameShortWord(one: usize, other: usize): bool {
  return (load<u32>(one) ^ load<u32>(other)) << 8 == 0;
}

/**
 * Enters all positions up to `at`; returns the distance of the last place with the same three bytes, 0 if there is
 * none.
 */
function findShort(at: usize): u32 {
  const base = positionBase;
  const position = <u32>(at - base);
  let candidate: u32 = 0;
  for (; nextShort <= position; nextShort++) {
    const entry = hashShort(load<u64>(base + nextShort), SHORT_DROP, SHORT_SHIFT);
    candidate = load<u32>(entry, SHORT_WORDS);
    store<u32>(entry, nextShort, SHORT_WORDS);
  }
  return candidate != 0 && sameShortWord(base + candidate, at) ? position - candidate : 0;
}

/**
 * Offers what the repeated offsets give at `at`; `price` is that of the way there and of no literals behind it. Returns
 * the longest length.
 */
function offerRepeats(index: usize, at: usize, end: usize, price: u32): usize {
  const node = nodeAt(index);
  const frame = positionBase + frameStart;
  let longest: usize = MINIMUM_MATCH - 1;
  // Without literals the first one cannot be said, and the third is the first less one.
  const shift = u32(load<u32>(node, RUN) == 0);
  for (let value: u32 = 1; value <= 3; value++) {
    const which = value + shift;
    const offset = which == 4 ? load<u32>(node, RECENT1) - 1 : load<u32>(node + (which << 2), RECENT1 - 4);
    if (<usize>offset - 1 >= at - frame || !sameShortWord(at - offset, at)) continue;
    const length: usize = 3 + matchLength(at + 3, at + 3 - offset, end);
    if (length <= longest) continue;
    offer(index, price + offsetPrice(value), offset, longest + 1, length);
    longest = length;
  }
  return longest;
}

/** Offers everything that begins at `at`. A length that is there already is not offered again with a farther offset. */
function offerMatches(index: usize, at: usize, end: usize, attempts: u32): void {
  const price = load<u32>(nodeAt(index), PRICE) + runPrice(0);
  longLength = 0;
  let longest = offerRepeats(index, at, end, price);
  const near = findShort(at);
  if (near != 0 && longest < MINIMUM_MATCH) {
    longest = MINIMUM_MATCH;
    offer(index, price + offsetPrice(near + MINIMUM_MATCH), near, longest, longest);
  }
  const foundEnd = collectMatches(at, end, attempts, enough);
  for (let found = FOUND; found < foundEnd; found += 8) {
    const length = <usize>load<u32>(found);
    if (length <= longest) continue;
    const offset = load<u32>(found, 4);
    offer(index, price + offsetPrice(offset + MINIMUM_MATCH), offset, longest + 1, length);
    longest = length;
  }
}

/** Offers the next position a way by one literal, the byte before `at`. */
function offerLiteral(index: usize, at: usize): void {
  const node = nodeAt(index);
  const before = nodeAt(index - 1);
  const run = load<u32>(before, RUN);
  const literal = load<u32>(LITERAL_PRICES + (<usize>load<u8>(at - 1) << 2));
  const way = load<u32>(before, PRICE) + literal + runPrice(run + 1) - runPrice(run);
  if (index <= reach && way >= load<u32>(node, PRICE)) return;
  reach = max(reach, index);
  store<u32>(node, way, PRICE);
  store<u32>(node, 0, LENGTH);
  store<u32>(node, run + 1, RUN);
}

/**
 * Finds the cheapest ways through a stretch from `source`, whose node 0 is prepared; returns the index of its last
 * node. If `longLength` is not 0 then, that match follows.
 */
function explore(source: usize, end: usize, stop: usize, attempts: u32): usize {
  reach = 0;
  longLength = 0;
  let index: usize = 0;
  do {
    const at = source + index;
    if (at < stop) {
      longLength = 0;
      offerMatches(index, at, end, attempts);
      if (longLength >= enough) return index;
    }
    index++;
    offerLiteral(index, at + 1);
    settle(index);
  } while (index != reach && index < STRETCH);
  longLength = 0;
  return index;
}

/** Adds the sequences on the way to node `last`; returns where the literals behind the last match begin. */
function addWay(source: usize, last: usize, anchor: usize): usize {
  let after = last;
  for (let index = last; index != 0; ) {
    const length = load<u32>(nodeAt(index), LENGTH);
    index -= length == 0 ? 1 : length;
    store<u32>(nodeAt(index), after, NEXT);
    after = index;
  }
  for (let index: usize = 0; index != last; ) {
    const at = source + index;
    index = load<u32>(nodeAt(index), NEXT);
    const length = load<u32>(nodeAt(index), LENGTH);
    if (length == 0) continue;
    addSequence(anchor, at - anchor, load<u32>(nodeAt(index), OFFSET), length);
    anchor = at + length;
  }
  return anchor;
}

/** Prepares node 0 of the next stretch with what node `last` remembers. */
function continueFrom(last: usize, run: usize): void {
  const from = nodeAt(last);
  const node = nodeAt(0);
  store<u32>(node, runPrice(<u32>run), PRICE);
  store<u32>(node, <u32>run, RUN);
  store<u32>(node, load<u32>(from, RECENT1), RECENT1);
  store<u32>(node, load<u32>(from, RECENT2), RECENT2);
  store<u32>(node, load<u32>(from, RECENT3), RECENT3);
}

/** Parses the block with the prices that are known. */
function parse(source: usize, end: usize, attempts: u32): void {
  const stop = end - min(HASHED_BYTES, end - source);
  memory.fill(SHORT_WORDS, 0, <usize>4 << SHORT_WORDS_LOG);
  nextShort = <u32>(source - positionBase);
  store<u32>(nodeAt(0), repeat1, RECENT1);
  store<u32>(nodeAt(0), repeat2, RECENT2);
  store<u32>(nodeAt(0), repeat3, RECENT3);
  continueFrom(0, 0);
  let anchor = source;
  for (let at = source; at < stop; ) {
    let last = explore(at, end, stop, attempts);
    anchor = addWay(at, last, anchor);
    at += last;
    if (longLength != 0) {
      addSequence(anchor, at - anchor, longOffset, longLength);
      at += longLength;
      anchor = at;
      // As if the match led from the last node to the one behind it.
      store<u32>(nodeAt(last + 1), longOffset, OFFSET);
      store<u32>(nodeAt(last + 1), 1, LENGTH);
      settle(++last);
    }
    continueFrom(last, at - anchor);
  }
  addLastLiterals(anchor, end);
}

/** Learns from the result at hand and throws it away. */
function learnAndForget(): void {
  countCodes();
  countBytes(LITERALS, literalsEnd - LITERALS);
  learn();
  reopenFrame();
  openBlock();
}

/**
 * Finds matches for the block from `source` to `end`. `tableLog`, `chainLog`, `wordBytes`, `attempts` and `longEnough`
 * as for `findChained`; `rehearsals`: how often the first block is parsed only to learn from it.
 */
export function findOptimal(
  source: usize, end: usize, tableLog: u32, chainLog: u32, wordBytes: u32, attempts: u32, longEnough: usize,
  rehearsals: u32,
): void {
  enough = longEnough;
  if (learned) {
    learn();
  } else {
    findChained(source, end, tableLog, chainLog, wordBytes, LEARNING_ATTEMPTS, 1, longEnough, repeat1, repeat2);
    learnAndForget();
    for (; rehearsals != 0; rehearsals--) {
      parse(source, end, attempts);
      learnAndForget();
    }
  }
  openChain(tableLog, chainLog, wordBytes);
  parse(source, end, attempts);
}
