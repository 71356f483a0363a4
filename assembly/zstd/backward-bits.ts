/**
 * Reading bit streams backward (RFC 8878 sections 3.1.1.3.2.1.2 and 4.2.2).
 *
 * FSE and Huffman streams are written forward and read from their end. The last byte carries a 1 bit above the last bit
 * of the stream, so it is never 0. A *position* counts the bits that are still to be read; it starts at what
 * `streamBits` returns and is exactly 0 when a well-formed stream has been read.
 *
 * Reads load the eight bytes that *end* with the wanted bits. Near the start of a stream they reach up to eight bytes
 * in front of it, which never leaves the input: in front of every bit stream of a frame lie at least 12 bytes of the
 * same frame (magic number 4, frame header 2, block header 3, section header 3). So readers check positions, not
 * addresses, and there is no second, careful way to read.
 */

/** Bits that one load is good for: 64 less the seven that the alignment to bytes may cost. */
export const LOADED_BITS: u32 = 57;

/** Useful bits of the stream of `size` bytes at `start`, or -1 if it has no end mark. */
@inline
export function streamBits(start: usize, size: i32): i32 {
  if (size <= 0) return -1;
  const last = <u32>load<u8>(start + size - 1);
  if (last == 0) return -1;
  return (size << 3) - <i32>clz<u32>(last) + 23;
}

/** The bits in front of `position`, next one at bit 63; at least `LOADED_BITS` are valid. */
@inline
export function loadBits(start: usize, position: i32): u64 {
  return load<u64>(start + <usize>((position + 7) >> 3) - 8) << <u64>(-position & 7);
}

/** The first `count` bits of `bits`, 0 to 63. */
@inline
export function topBits(bits: u64, count: u64): u64 {
  return (bits >> 1) >> (63 - count);
}
