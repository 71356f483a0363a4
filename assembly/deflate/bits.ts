/**
 * The output as a stream of bits, lowest bit first (RFC 1951, section 3.1.1).
 *
 * Bits gather in a 64-bit buffer; each flush stores all eight bytes and moves on by the whole ones, without a branch. So
 * up to eight bytes behind the stream are overwritten: the host gives the compressor an output of its own with room
 * there. Loops that write much keep buffer and count in locals; the state here is for what happens once a block.
 */

export let bitBuffer: u64 = 0;
export let bitCount: u32 = 0;
export let output: usize = 0;
let outputEnd: usize = 0;

export function openOutput(start: usize, capacity: usize): void {
  bitBuffer = 0;
  bitCount = 0;
  output = start;
  outputEnd = start + capacity;
}

/** Takes over what a loop kept in locals. */
@inline
export function setOutput(buffer: u64, count: u32, at: usize): void {
  bitBuffer = buffer;
  bitCount = count;
  output = at;
}

/** Whether `bits` more bits fit into the output. */
export function hasRoom(bits: u32): bool {
  return <usize>((bitCount + bits + 7) >> 3) <= outputEnd - output;
}

/** Appends the low `count` bits of `value`; its other bits are 0. At most 56. */
export function putBits(value: u64, count: u32): void {
  bitBuffer |= value << bitCount;
  bitCount += count;
  store<u64>(output, bitBuffer);
  output += bitCount >> 3;
  bitBuffer >>= bitCount & 56;
  bitCount &= 7;
}

/** Fills the current byte up with zeros. */
export function alignToByte(): void {
  if (bitCount != 0) putBits(0, 8 - bitCount);
}

/** Copies whole bytes; the stream must be at the start of a byte, and have room for them. */
export function putBytes(source: usize, length: usize): void {
  memory.copy(output, source, length);
  output += length;
}
