/**
 * Checksums: crc32 and crc32c, adler32, xxh64.
 *
 * crc32 (ISO 3309, RFC 1952 section 8; reflected polynomial edb88320) and crc32c (Castagnoli; RFC 3720 appendix B.4;
 * 82f63b78) differ in the polynomial only. WebAssembly has no carry-less multiplication, so they are computed with
 * tables: "slicing-by-N" (Kounavis and Berry, "A systematic approach to building high performance, software-based, CRC
 * generators", 2005). Table k says what a byte does to the remainder after k more bytes have gone by; sixteen tables
 * take sixteen bytes at once, and their loads do not depend on each other. Only the first four bytes meet the running
 * remainder. Sixteen slices (16 KiB a polynomial) still fit into the L1 cache beside the data.
 *
 * adler32 (RFC 1950 section 8.2) is two sums modulo 65521: `a` of the bytes, `b` of all values of `a`. With vectors,
 * sixteen bytes add their plain sum to `a`, and sixteen times the old `a` plus the sum weighted by 16, 15, ... 1 to
 * `b`. The modulus waits until the sums could overflow 32 bits.
 *
 * xxh64 (Collet, "XXH64", the specification in xxHash's documentation; zstd's content checksum, RFC 8878 section 3.1.1)
 * runs four lanes of multiply and rotate, and mixes them at the end.
 */
import { CRC32C_SLICES, CRC32_SLICES } from './memory';

/** Bytes of one slice: 256 entries of four bytes. */
const SLICE: usize = 1024;
const SLICES: usize = 16;

const CRC32_POLYNOMIAL: u32 = 0xedb88320;
const CRC32C_POLYNOMIAL: u32 = 0x82f63b78;

let crc32Ready = false;
let crc32cReady = false;

/** Fills sixteen slices: the first bit by bit, each other from the one before it. */
function buildSlices(slices: usize, polynomial: u32): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (polynomial & (0 - (remainder & 1)));
    store<u32>(slices + (byte << 2), remainder);
  }
  const rest = slices + SLICE;
  const end = slices + SLICES * SLICE;
  for (let at = rest; at < end; at += 4) {
    const before = load<u32>(at - SLICE);
    store<u32>(at, (before >>> 8) ^ load<u32>(slices + ((before & 0xff) << 2)));
  }
}

/** What the byte `index` of `word` adds through slice `slice`. */
@inline
function through(slices: usize, slice: usize, word: u64, index: u64): u32 {
  return load<u32>(slices + slice * SLICE + ((<usize>(word >> (index << 3)) & 0xff) << 2));
}

/** What the eight bytes of `word` add; the last of them is followed by `behind` bytes of the same step. */
@inline
function throughEight(slices: usize, word: u64, behind: usize): u32 {
  const low =
    through(slices, behind + 7, word, 0) ^
    through(slices, behind + 6, word, 1) ^
    through(slices, behind + 5, word, 2) ^
    through(slices, behind + 4, word, 3);
  const high =
    through(slices, behind + 3, word, 4) ^
    through(slices, behind + 2, word, 5) ^
    through(slices, behind + 1, word, 6) ^
    through(slices, behind, word, 7);
  return low ^ high;
}

function updateCrc(slices: usize, source: usize, length: usize, crc: u32): u32 {
  let remainder = ~crc;
  let at = source;
  const end = source + length;
  while (end - at >= 16) {
    const first = load<u64>(at) ^ <u64>remainder;
    remainder = throughEight(slices, first, 8) ^ throughEight(slices, load<u64>(at, 8), 0);
    at += 16;
  }
  while (at < end) {
    remainder = (remainder >>> 8) ^ load<u32>(slices + (((remainder ^ load<u8>(at)) & 0xff) << 2));
    at++;
  }
  return ~remainder;
}

/** crc32 of `length` bytes, continuing from `crc`, the checksum of what came before (0 at the start). */
export function crc32(source: usize, length: usize, crc: u32): u32 {
  if (!crc32Ready) {
    buildSlices(CRC32_SLICES, CRC32_POLYNOMIAL);
    crc32Ready = true;
  }
  return updateCrc(CRC32_SLICES, source, length, crc);
}

/** crc32c, continuing from `crc` (0 at the start). */
export function crc32c(source: usize, length: usize, crc: u32): u32 {
  if (!crc32cReady) {
    buildSlices(CRC32C_SLICES, CRC32C_POLYNOMIAL);
    crc32cReady = true;
  }
  return updateCrc(CRC32C_SLICES, source, length, crc);
}

/** Largest prime below 2^16. */
const ADLER_MODULUS: u32 = 65521;

/**
 * Bytes after which the sums are reduced. 5552 is the most that keeps `b` below 2^32 when every byte is 255 and both
 * sums start at their maximum; it is a multiple of 16.
 */
const ADLER_STRETCH: usize = 5552;

@inline
function sumOfLanes(vector: v128): u32 {
  return (
    i32x4.extract_lane(vector, 0) +
    i32x4.extract_lane(vector, 1) +
    i32x4.extract_lane(vector, 2) +
    i32x4.extract_lane(vector, 3)
  );
}

/** adler32 of `length` bytes, continuing from `adler` (1 at the start). */
export function adler32(source: usize, length: usize, adler: u32): u32 {
  let a = adler & 0xffff;
  let b = adler >>> 16;
  let at = source;
  const end = source + length;
  const firstWeights = i16x8(16, 15, 14, 13, 12, 11, 10, 9);
  const lastWeights = i16x8(8, 7, 6, 5, 4, 3, 2, 1);
  while (end - at >= 16) {
    const stretch = min(ADLER_STRETCH, (end - at) & ~15);
    const stop = at + stretch;
    let sums = i32x4.splat(0);
    let sumsBefore = i32x4.splat(0);
    let weighted = i32x4.splat(0);
    for (; at < stop; at += 16) {
      const bytes = v128.load(at);
      sumsBefore = i32x4.add(sumsBefore, sums);
      sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes)));
      const low = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(bytes), firstWeights);
      const high = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(bytes), lastWeights);
      weighted = i32x4.add(weighted, i32x4.add(low, high));
    }
    b += <u32>stretch * a + (sumOfLanes(sumsBefore) << 4) + sumOfLanes(weighted);
    a += sumOfLanes(sums);
    a %= ADLER_MODULUS;
    b %= ADLER_MODULUS;
  }
  while (at < end) {
    a += load<u8>(at++);
    b += a;
  }
  return (b % ADLER_MODULUS << 16) | a % ADLER_MODULUS;
}

const XXH_PRIME_1: u64 = 0x9e3779b185ebca87;
const XXH_PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
const XXH_PRIME_3: u64 = 0x165667b19e3779f9;
const XXH_PRIME_4: u64 = 0x85ebca77c2b2ae63;
const XXH_PRIME_5: u64 = 0x27d4eb2f165667c5;

@inline
function xxhRound(lane: u64, word: u64): u64 {
  return rotl<u64>(lane + word * XXH_PRIME_2, 31) * XXH_PRIME_1;
}

@inline
function xxhMerge(hash: u64, lane: u64): u64 {
  return (hash ^ xxhRound(0, lane)) * XXH_PRIME_1 + XXH_PRIME_4;
}

/** The four lanes over all whole stripes of 32 bytes, merged. */
function xxhStripes(source: usize, stop: usize): u64 {
  let lane1 = XXH_PRIME_1 + XXH_PRIME_2;
  let lane2 = XXH_PRIME_2;
  let lane3: u64 = 0;
  let lane4: u64 = 0 - XXH_PRIME_1;
  for (let at = source; at < stop; at += 32) {
    lane1 = xxhRound(lane1, load<u64>(at));
    lane2 = xxhRound(lane2, load<u64>(at, 8));
    lane3 = xxhRound(lane3, load<u64>(at, 16));
    lane4 = xxhRound(lane4, load<u64>(at, 24));
  }
  let hash = rotl<u64>(lane1, 1) + rotl<u64>(lane2, 7) + rotl<u64>(lane3, 12) + rotl<u64>(lane4, 18);
  hash = xxhMerge(hash, lane1);
  hash = xxhMerge(hash, lane2);
  hash = xxhMerge(hash, lane3);
  return xxhMerge(hash, lane4);
}

/** xxh64 of `length` bytes with seed 0. */
export function xxh64(source: usize, length: usize): u64 {
  const end = source + length;
  let at = source + (length & ~31);
  let hash = (length >= 32 ? xxhStripes(source, at) : XXH_PRIME_5) + <u64>length;
  for (; end - at >= 8; at += 8) {
    hash = rotl<u64>(hash ^ xxhRound(0, load<u64>(at)), 27) * XXH_PRIME_1 + XXH_PRIME_4;
  }
  if (end - at >= 4) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(at) * XXH_PRIME_1), 23) * XXH_PRIME_2 + XXH_PRIME_3;
    at += 4;
  }
  for (; at < end; at++) hash = rotl<u64>(hash ^ (<u64>load<u8>(at) * XXH_PRIME_5), 11) * XXH_PRIME_1;
  hash = (hash ^ (hash >> 33)) * XXH_PRIME_2;
  hash = (hash ^ (hash >> 29)) * XXH_PRIME_3;
  return hash ^ (hash >> 32);
}
