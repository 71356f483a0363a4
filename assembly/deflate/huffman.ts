/**
 * Huffman codes of limited length (RFC 1951, section 3.2.2).
 *
 * Algorithm. Symbols are sorted by count with a radix sort. Code lengths come from Moffat and Katajainen, "In-Place
 * Calculation of Minimum-Redundancy Codes" (1995): one array serves as leaves, then as parent links, then as depths.
 * Only the number of codes of each length matters, for the rarest symbols get the longest ones anyway.
 *
 * Where the tree is deeper than allowed, the codes below the limit are lifted to it, and the code space that this takes
 * is given back by codes near the limit, each pushed down by one bit: not optimal (package-merge is), but within a few
 * bits for a block, and rarely needed.
 *
 * Codes are stored with their first bit lowest, as they are sent.
 */
import { HUFFMAN_SCRATCH } from './workspace';

/** Bits that a radix pass sorts by. Two passes cover the counts of nearly every block, three all there can be. */
const RADIX_BITS: u32 = 9;
const RADIX: u32 = 1 << RADIX_BITS;

/** In a sorting key the symbol takes the low bits, the count the others. */
const SYMBOL_BITS: u32 = 9;
const SYMBOL_MASK: u32 = (1 << SYMBOL_BITS) - 1;

/** Where a code's length is kept beside the code. */
export const LENGTH_SHIFT: u32 = 24;

const KEYS: usize = HUFFMAN_SCRATCH;
const OTHER_KEYS: usize = KEYS + 288 * 4;
const TREE: usize = OTHER_KEYS + 288 * 4;
const BUCKETS: usize = TREE + 288 * 4;
/** u32 by length: how many codes, and the next code. A tree over the bytes of a unit (2^21) is at most 29 deep. */
const OF_LENGTH: usize = BUCKETS + <usize>RADIX * 2;
const NEXT_CODE: usize = OF_LENGTH + 32 * 4;

/**
 * Makes the code for `symbols` symbols from their counts (u32, 2^22 at most in all). Lengths (u8) and codes (u32, with the
 * length from `LENGTH_SHIFT` on) are stored by symbol; both are 0 for symbols that do not occur. A code has at least
 * two symbols, so that every decoder takes it.
 */
export function makeCode(counts: usize, symbols: u32, maxBits: u32, lengths: usize, codes: usize): void {
  memory.fill(lengths, 0, symbols);
  const used = collectKeys(counts, symbols);
  if (used < 2) {
    const symbol = used == 0 ? 0 : load<u32>(KEYS) & SYMBOL_MASK;
    store<u8>(lengths + symbol, 1);
    store<u8>(lengths + (symbol == 0 ? 1 : 0), 1);
  } else {
    sortByCount(used);
    joinTrees(used);
    countDepths(used);
    limitDepths(maxBits);
    giveLengths(lengths, maxBits);
  }
  numberCodes(symbols, lengths, codes);
}

/** All bits that are set in any of the counts. */
let countBits: u32 = 0;

/** Keys of the symbols that occur; returns how many do. */
function collectKeys(counts: usize, symbols: u32): u32 {
  let key = KEYS;
  countBits = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + (symbol << 2));
    store<u32>(key, (count << SYMBOL_BITS) | symbol);
    key += count != 0 ? 4 : 0;
    countBits |= count;
  }
  return <u32>(key - KEYS) >> 2;
}

function sortByCount(used: u32): void {
  sortKeys(KEYS, OTHER_KEYS, used, SYMBOL_BITS);
  sortKeys(OTHER_KEYS, KEYS, used, SYMBOL_BITS + RADIX_BITS);
  if (countBits >> (2 * RADIX_BITS) == 0) return;
  sortKeys(KEYS, OTHER_KEYS, used, SYMBOL_BITS + 2 * RADIX_BITS);
  memory.copy(KEYS, OTHER_KEYS, <usize>used << 2);
}

/** Sorts `used` keys by the `RADIX_BITS` bits from `shift` on; keys that agree in them keep their order. */
function sortKeys(from: usize, to: usize, used: u32, shift: u32): void {
  memory.fill(BUCKETS, 0, <usize>RADIX * 2);
  const end = from + (used << 2);
  for (let at = from; at < end; at += 4) {
    const bucket = BUCKETS + (<usize>((load<u32>(at) >> shift) & (RADIX - 1)) << 1);
    store<u16>(bucket, load<u16>(bucket) + 1);
  }
  let start: u32 = 0;
  for (let bucket = BUCKETS; bucket < BUCKETS + <usize>RADIX * 2; bucket += 2) {
    const size: u32 = load<u16>(bucket);
    store<u16>(bucket, start);
    start += size;
  }
  for (let at = from; at < end; at += 4) {
    const key = load<u32>(at);
    const bucket = BUCKETS + (<usize>((key >> shift) & (RADIX - 1)) << 1);
    const place: u32 = load<u16>(bucket);
    store<u16>(bucket, place + 1);
    store<u32>(to + (place << 2), key);
  }
}

@inline
function treeAt(index: i32): u32 {
  return load<u32>(TREE + (index << 2));
}

@inline
function setTree(index: i32, value: u32): void {
  store<u32>(TREE + (index << 2), value);
}

/**
 * First and second phase: leaves and subtrees are joined, the two smallest first. Entry i then is the parent of
 * subtree i, and after the second phase its depth; the root is the last, used - 2.
 */
function joinTrees(used: i32): void {
  for (let index: i32 = 0; index < used; index++) setTree(index, load<u32>(KEYS + (index << 2)) >> SYMBOL_BITS);
  let leaf: i32 = 0;
  let root: i32 = 0;
  for (let next: i32 = 0; next < used - 1; next++) {
    let weight: u32 = 0;
    for (let child = 0; child < 2; child++) {
      if (leaf >= used || (root < next && treeAt(root) < treeAt(leaf))) {
        weight += treeAt(root);
        setTree(root++, next);
      } else {
        weight += treeAt(leaf++);
      }
    }
    setTree(next, weight);
  }
  setTree(used - 2, 0);
  for (let next: i32 = used - 3; next >= 0; next--) setTree(next, treeAt(treeAt(next)) + 1);
}

/** Third phase: at each depth, what is no subtree is a leaf. */
function countDepths(used: i32): void {
  memory.fill(OF_LENGTH, 0, 32 * 4);
  let open: i32 = 1;
  let depth: u32 = 0;
  let root: i32 = used - 2;
  while (open > 0) {
    let inner: i32 = 0;
    while (root >= 0 && treeAt(root) == depth) {
      inner++;
      root--;
    }
    store<u32>(OF_LENGTH + (depth << 2), open - inner);
    open = inner << 1;
    depth++;
  }
}

@inline
function codesOfLength(length: u32): u32 {
  return load<u32>(OF_LENGTH + (length << 2));
}

/** Makes every length `maxBits` or less, and the codes fill the code space exactly again. */
function limitDepths(maxBits: u32): void {
  let lifted: u32 = 0;
  for (let length = maxBits + 1; length < 32; length++) lifted += codesOfLength(length);
  if (lifted == 0) return;
  store<u32>(OF_LENGTH + (maxBits << 2), codesOfLength(maxBits) + lifted);
  let space: u32 = 0;
  for (let length: u32 = 1; length <= maxBits; length++) space += codesOfLength(length) << (maxBits - length);
  for (let excess = space - (1 << maxBits); excess > 0; excess--) {
    // A code of the longest length becomes the sibling of a shorter one, which grows by a bit.
    let length = maxBits - 1;
    while (codesOfLength(length) == 0) length--;
    store<u32>(OF_LENGTH + (length << 2), codesOfLength(length) - 1);
    store<u32>(OF_LENGTH + ((length + 1) << 2), codesOfLength(length + 1) + 2);
    store<u32>(OF_LENGTH + (maxBits << 2), codesOfLength(maxBits) - 1);
  }
}

/** The rarest symbols get the longest codes. */
function giveLengths(lengths: usize, maxBits: u32): void {
  let key = KEYS;
  for (let length = maxBits; length > 0; length--) {
    for (let left = codesOfLength(length); left > 0; left--) {
      store<u8>(lengths + (load<u32>(key) & SYMBOL_MASK), length);
      key += 4;
    }
  }
}

@inline
function reversed(code: u32, length: u32): u32 {
  let bits = code;
  bits = ((bits & 0x5555) << 1) | ((bits >> 1) & 0x5555);
  bits = ((bits & 0x3333) << 2) | ((bits >> 2) & 0x3333);
  bits = ((bits & 0x0f0f) << 4) | ((bits >> 4) & 0x0f0f);
  bits = ((bits & 0x00ff) << 8) | (bits >> 8);
  return bits >> (16 - length);
}

/** Codes from lengths: consecutive numbers for each length, in the order of the symbols. */
export function numberCodes(symbols: u32, lengths: usize, codes: usize): void {
  memory.fill(OF_LENGTH, 0, 16 * 4);
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const slot = OF_LENGTH + (<usize>load<u8>(lengths + symbol) << 2);
    store<u32>(slot, load<u32>(slot) + 1);
  }
  store<u32>(OF_LENGTH, 0);
  let code: u32 = 0;
  for (let length: u32 = 1; length < 16; length++) {
    code = (code + codesOfLength(length - 1)) << 1;
    store<u32>(NEXT_CODE + (length << 2), code);
  }
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length: u32 = load<u8>(lengths + symbol);
    const slot = NEXT_CODE + (length << 2);
    const next = load<u32>(slot);
    store<u32>(slot, next + 1);
    store<u32>(codes + (symbol << 2), length == 0 ? 0 : reversed(next, length) | (length << LENGTH_SHIFT));
  }
}
