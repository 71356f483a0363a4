/**
 * Huffman coding of literals: code lengths, tree description, streams (RFC 8878 section 4.2).
 *
 * Algorithm. Literals are sorted by frequency (radix sort, two digits), the tree is built from two queues in linear
 * time (van Leeuwen 1976): the sorted leaves and the inner nodes, which come into being in ascending order. Lengths are
 * then counted from the root down: each inner node takes one code of its depth and gives two of the next. A node that
 * would give codes longer than 11 bits lets the deepest shorter code be split instead, so the code stays complete
 * whatever the limit (as libdeflate does it); it costs a fraction of a percent against the optimal limited code.
 *
 * Codes are canonical from the longest up, as the decoder assigns them. A code is kept as u16: value << 4 | length.
 */
import { HUFFMAN_BITS, WEIGHT_LOG, WEIGHT_MAXIMUM } from './format';
import { endStream } from './forward-bits';
import {
  buildCoder, chooseLog, coderLog, emittedBits, firstState, normalize, stateAfter, writeDistribution,
} from './fse-encode';
import {
  COUNTS, DIGITS, HISTOGRAM, NODE_PARENTS, NODE_WEIGHTS, RANKS, SORTED, SORTING, WEIGHT_CODER, WEIGHTS,
} from './workspace';

const DIGIT_BITS: u32 = 9;
const DIGIT_COUNT: u32 = 1 << DIGIT_BITS;
/** First bit of a frequency in an entry of the sorted list; below it is the literal. */
const FREQUENCY_SHIFT: u32 = 8;
/** Weights that may be stored as plain nibbles (section 4.2.1.1). */
const PLAIN_WEIGHTS: u32 = 128;
/** A packed description is shorter than this, or its size would be read as something else. */
const PACKED_LIMIT: u32 = 128;

/** One pass of the radix sort: by the digit at `shift`, stable. */
function sortByDigit(from: usize, to: usize, count: u32, shift: u32): void {
  memory.fill(DIGITS, 0, DIGIT_COUNT << 2);
  const end = from + (count << 2);
  for (let at = from; at < end; at += 4) {
    const digit = DIGITS + (((load<u32>(at) >> shift) & (DIGIT_COUNT - 1)) << 2);
    store<u32>(digit, load<u32>(digit) + 4);
  }
  let begin: u32 = 0;
  for (let digit = DIGITS; digit < DIGITS + (DIGIT_COUNT << 2); digit += 4) {
    const size = load<u32>(digit);
    store<u32>(digit, begin);
    begin += size;
  }
  for (let at = from; at < end; at += 4) {
    const entry = load<u32>(at);
    const digit = DIGITS + (((entry >> shift) & (DIGIT_COUNT - 1)) << 2);
    const place = load<u32>(digit);
    store<u32>(digit, place + 4);
    store<u32>(to + place, entry);
  }
}

/** Lists the literals of `HISTOGRAM` in `SORTED`, rarest first; returns their number. Frequencies are below 2^18. */
function sortLiterals(): u32 {
  let to = SORTED;
  for (let literal: u32 = 0; literal < 256; literal++) {
    const frequency = load<u32>(HISTOGRAM + (literal << 2));
    store<u32>(to, (frequency << FREQUENCY_SHIFT) | literal);
    to += frequency != 0 ? 4 : 0;
  }
  const count = <u32>(to - SORTED) >> 2;
  sortByDigit(SORTED, SORTING, count, FREQUENCY_SHIFT);
  sortByDigit(SORTING, SORTED, count, FREQUENCY_SHIFT + DIGIT_BITS);
  return count;
}

/** Builds the inner nodes over `count` sorted leaves; node i has its parent in `NODE_PARENTS`, the root is the last. */
function buildInnerNodes(count: u32): void {
  const leavesEnd = SORTED + (count << 2);
  const end: usize = (count - 1) << 2;
  let leaf = SORTED;
  let inner: usize = 0;
  for (let node: usize = 0; node < end; node += 4) {
    let weight: u32 = 0;
    for (let child = 0; child < 2; child++) {
      const leafWeight = leaf < leavesEnd ? load<u32>(leaf) >> FREQUENCY_SHIFT : u32.MAX_VALUE;
      const innerWeight = inner < node ? load<u32>(NODE_WEIGHTS + inner) : u32.MAX_VALUE;
      if (leafWeight <= innerWeight) {
        weight += leafWeight;
        leaf += 4;
      } else {
        weight += innerWeight;
        store<u32>(NODE_PARENTS + inner, node);
        inner += 4;
      }
    }
    store<u32>(NODE_WEIGHTS + node, weight);
  }
}

/** Counts the codes of each length, into `RANKS` by length (u32); returns the longest length. */
function countLengths(count: u32): u32 {
  memory.fill(RANKS, 0, (HUFFMAN_BITS + 1) << 2);
  store<u32>(RANKS, 1);
  const root = <i32>(count - 2) << 2;
  // Parents become depths on the way down: a parent has a higher number than its children.
  for (let node: i32 = root; node >= 0; node -= 4) {
    let depth: u32 = 0;
    if (node != root) depth = load<u32>(NODE_PARENTS + load<u32>(NODE_PARENTS + node)) + 1;
    store<u32>(NODE_PARENTS + node, depth);
    if (depth >= HUFFMAN_BITS) {
      depth = HUFFMAN_BITS - 1;
      while (load<u32>(RANKS + (depth << 2)) == 0) depth--;
    }
    const rank = RANKS + (depth << 2);
    store<u32>(rank, load<u32>(rank) - 1);
    store<u32>(rank, load<u32>(rank, 4) + 2, 4);
  }
  let longest = HUFFMAN_BITS;
  while (load<u32>(RANKS + (longest << 2)) == 0) longest--;
  return longest;
}

/** Gives lengths to literals, the rarest the longest, then codes in the decoder's order; into `codes`. */
function assignCodes(codes: usize, longest: u32): void {
  memory.fill(codes, 0, 512);
  let at = SORTED;
  let code: u32 = 0;
  for (let length = longest; length > 0; length--) {
    const rank = RANKS + (length << 2);
    const count = load<u32>(rank);
    for (const end = at + (count << 2); at < end; at += 4) {
      store<u16>(codes + (<usize>load<u8>(at) << 1), <u16>length);
    }
    store<u32>(rank, code);
    code = (code + count) >> 1;
  }
  for (let literal = codes; literal < codes + 512; literal += 2) {
    const length = <u32>load<u16>(literal);
    if (length == 0) continue;
    const rank = RANKS + (length << 2);
    const next = load<u32>(rank);
    store<u32>(rank, next + 1);
    store<u16>(literal, <u16>((next << 4) | length));
  }
}

/** Makes codes for `HISTOGRAM`, in which two literals or more occur; returns the longest length in bits. */
export function buildCodes(codes: usize): u32 {
  const count = sortLiterals();
  buildInnerNodes(count);
  const longest = countLengths(count);
  assignCodes(codes, longest);
  return longest;
}

/** Bits that the literals of `HISTOGRAM` take with `codes`; 0 if one of them has no code. */
export function codedBits(codes: usize): u32 {
  let bits: u32 = 0;
  for (let literal: usize = 0; literal < 256; literal++) {
    const frequency = load<u32>(HISTOGRAM + (literal << 2));
    const length = <u32>load<u16>(codes + (literal << 1)) & 15;
    if (frequency != 0 && length == 0) return 0;
    bits += frequency * length;
  }
  return bits;
}

/** Packs `count` weights by FSE to `to` (section 4.2.1.2); returns the size in bytes, 0 if that cannot be done. */
function packWeights(count: u32, to: usize): u32 {
  // The histogram of weights takes the place of the one that is no longer needed: the digits of the sort.
  const symbols = WEIGHT_MAXIMUM + 1;
  memory.fill(DIGITS, 0, symbols << 2);
  let last: u32 = 0;
  let most: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const weight = <u32>load<u8>(WEIGHTS + i);
    const at = DIGITS + (weight << 2);
    const occurrences = load<u32>(at) + 1;
    store<u32>(at, occurrences);
    last = max(last, weight);
    most = max(most, occurrences);
  }
  // One distinct weight has no distribution; all different ones do not get smaller.
  if (most == count || most == 1) return 0;
  const log = chooseLog(count, last, WEIGHT_LOG);
  normalize(DIGITS, last + 1, count, log);
  const distributionSize = writeDistribution(log, to);
  buildCoder(WEIGHT_CODER, COUNTS, last + 1, log);
  return <u32>(packStates(count, to + distributionSize) - to);
}

/** The two states that take turns, from the last weight to the first; even weights belong to the first state. */
function packStates(count: u32, to: usize): usize {
  let bits: u64 = 0;
  let used: u32 = 0;
  let state = firstState(WEIGHT_CODER, load<u8>(WEIGHTS + count - 1));
  let other = firstState(WEIGHT_CODER, load<u8>(WEIGHTS + count - 2));
  for (let i: i32 = count - 3; i >= 0; i--) {
    const weight = <u32>load<u8>(WEIGHTS + i);
    const emitted = emittedBits(WEIGHT_CODER, state, weight);
    bits |= <u64>(state & ((1 << emitted) - 1)) << used;
    used += emitted;
    const next = stateAfter(WEIGHT_CODER, state, weight, emitted);
    state = other;
    other = next;
    store<u64>(to, bits);
    to += used >> 3;
    bits >>= used & ~7;
    used &= 7;
  }
  // It is the second state's turn, so the first state is `other`: written last, read first.
  const log = coderLog(WEIGHT_CODER);
  const mask: u32 = (1 << log) - 1;
  bits |= <u64>(state & mask) << used;
  used += log;
  bits |= <u64>(other & mask) << used;
  used += log;
  return endStream(to, bits, used);
}

/**
 * Writes the tree of `codes` (longest code `longest` bits) to `to`; returns its size in bytes, 0 if it has no
 * description.
 */
export function writeTree(codes: usize, longest: u32, to: usize): u32 {
  let last: u32 = 255;
  while (load<u16>(codes + (last << 1)) == 0) last--;
  for (let literal: u32 = 0; literal < last; literal++) {
    const length = <u32>load<u16>(codes + (literal << 1)) & 15;
    store<u8>(WEIGHTS + literal, <u8>(length == 0 ? 0 : longest + 1 - length));
  }
  // Plain nibbles read one weight behind an odd number.
  store<u8>(WEIGHTS + last, 0);
  const packed = last > 1 ? packWeights(last, to + 1) : 0;
  const plain = (last + 1) >> 1;
  if (packed != 0 && packed < PACKED_LIMIT && packed < plain) {
    store<u8>(to, <u8>packed);
    return packed + 1;
  }
  if (last > PLAIN_WEIGHTS) return 0;
  store<u8>(to, <u8>(last + 127));
  for (let i: u32 = 0; i < last; i += 2) {
    store<u8>(to + 1 + (i >> 1), <u8>((load<u8>(WEIGHTS + i) << 4) | load<u8>(WEIGHTS + i + 1)));
  }
  return plain + 1;
}

@inline
function codeOf(codes: usize, at: usize): u32 {
  return <u32>load<u16>(codes + (<usize>load<u8>(at) << 1));
}

/** Codes `length` literals at `source` as one stream, last one first; returns the end of the stream. */
export function writeStream(codes: usize, source: usize, length: usize, to: usize): usize {
  let bits: u64 = 0;
  let used: u32 = 0;
  let at = source + length;
  for (; ((at - source) & 3) != 0; ) {
    const code = codeOf(codes, --at);
    bits |= <u64>(code >> 4) << used;
    used += code & 15;
  }
  // Four codes are 44 bits at most, and at most 33 are left over before the first flush.
  store<u64>(to, bits);
  to += used >> 3;
  bits >>= used & ~7;
  used &= 7;
  while (at > source) {
    at -= 4;
    const code3 = codeOf(codes, at + 3);
    const code2 = codeOf(codes, at + 2);
    const code1 = codeOf(codes, at + 1);
    const code0 = codeOf(codes, at);
    bits |= <u64>(code3 >> 4) << used;
    used += code3 & 15;
    bits |= <u64>(code2 >> 4) << used;
    used += code2 & 15;
    bits |= <u64>(code1 >> 4) << used;
    used += code1 & 15;
    bits |= <u64>(code0 >> 4) << used;
    used += code0 & 15;
    store<u64>(to, bits);
    to += used >> 3;
    bits >>= used & ~7;
    used &= 7;
  }
  return endStream(to, bits, used);
}
