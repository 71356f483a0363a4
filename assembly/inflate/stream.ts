/**
 * Where decoding stands: the bits of the source, lowest first (RFC 1951, section 3.1.1), and the place in the output.
 * The fast loop keeps all of it in locals; what is here serves headers, the careful loop, and the passage between them.
 */

/** Bits that have been loaded and not consumed; `count` of them. */
export let bits: u64 = 0;
/** Below 0: more were consumed than there were, the stream is truncated. */
export let count: i32 = 0;
export let next: usize = 0;
export let sourceEnd: usize = 0;
export let out: usize = 0;
export let outStart: usize = 0;
export let outEnd: usize = 0;

export function openStream(source: usize, length: usize, target: usize, size: usize): void {
  bits = 0;
  count = 0;
  next = source;
  sourceEnd = source + length;
  out = target;
  outStart = target;
  outEnd = target + size;
}

@inline
export function setNext(address: usize): void {
  next = address;
}

@inline
export function setOut(address: usize): void {
  out = address;
}

/** Takes over the input as a loop left it. Bits above `held` need not be 0. */
export function setBits(buffer: u64, held: i32, address: usize): void {
  bits = buffer & ~(<u64>-1 << held);
  count = held;
  next = address;
}

/** Fills the buffer byte by byte, up to the end of the source; then 56 to 63 bits are there, or all that are left. */
export function refill(): void {
  while (count < 56 && next < sourceEnd) {
    bits |= <u64>load<u8>(next++) << count;
    count += 8;
  }
}

/** The next `n` bits; `count` falls below 0 if they are not there. */
@inline
export function take(n: i32): u32 {
  const value = <u32>bits & ((1 << n) - 1);
  bits >>= n;
  count -= n;
  return value;
}

/** Gives back the whole bytes that the buffer holds, and drops the rest of the byte before them. */
export function dropToByte(): void {
  next -= count >> 3;
  bits = 0;
  count = 0;
}
