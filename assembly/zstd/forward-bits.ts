/**
 * Writing bit streams that are read backward: bits are collected in a u64 from the bottom up and flushed as whole
 * bytes. A flush stores eight bytes and moves on by those that are complete, so at most 7 bits stay behind and 56 may
 * be added: a word with 64 could not be shifted out, as a shift by 64 is one by 0. The caller keeps `bits` and `used` in
 * locals, where the compiler can hold them in registers.
 */

/** The bits below `count`, 0 to 32. */
@inline
export function lowBits(value: u32, count: u32): u64 {
  return <u64>value & ((<u64>1 << count) - 1);
}

/** Ends a stream: the mark above the last bit (RFC 8878 section 4.2.2), and the bytes begun. Returns the end. */
@inline
export function endStream(to: usize, bits: u64, used: u32): usize {
  store<u64>(to, bits | (<u64>1 << used));
  return to + ((used + 8) >> 3);
}
