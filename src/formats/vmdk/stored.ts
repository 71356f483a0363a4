/** Grains that do not get smaller: zlib streams without compression, for formats that know no plain grains. */
import { viewOf } from '../../bytes.js';

/** Bytes of a stored block of RFC 1951 at most. */
const LONGEST_BLOCK = 65535;
const BLOCK_HEADER = 5;
/** RFC 1950: deflate with a window of 32 KiB, fastest. */
const ZLIB_HEADER = [0x78, 0x01];
const CHECKSUM = 4;
const ADLER_MODULUS = 65521;
/** So many bytes can be added up before the sums need more than 32 bits. */
const ADLER_CHUNK = 3800;

/** The stream for `bytes`, filled up with zeros to `length`. */
export function storedStream(bytes: Uint8Array, length: number): Uint8Array {
  const blocks = Math.ceil(length / LONGEST_BLOCK);
  const stream = new Uint8Array(ZLIB_HEADER.length + blocks * BLOCK_HEADER + length + CHECKSUM);
  const view = viewOf(stream);
  stream.set(ZLIB_HEADER);
  let at = ZLIB_HEADER.length;
  for (let from = 0; from < length; from += LONGEST_BLOCK) {
    const count = Math.min(LONGEST_BLOCK, length - from);
    view.setUint8(at, from + count === length ? 1 : 0);
    view.setUint16(at + 1, count, true);
    view.setUint16(at + 3, ~count & 0xffff, true);
    stream.set(bytes.subarray(from, from + count), at + BLOCK_HEADER);
    at += BLOCK_HEADER + count;
  }
  view.setUint32(at, adler32(bytes, length - bytes.length));
  return stream;
}

/** RFC 1950, section 8.2, of `bytes` and so many zeros behind them. */
function adler32(bytes: Uint8Array, zeros: number): number {
  let a = 1;
  let b = 0;
  for (let from = 0; from < bytes.length; from += ADLER_CHUNK) {
    const end = Math.min(from + ADLER_CHUNK, bytes.length);
    for (let at = from; at < end; at++) {
      a += bytes[at]!;
      b += a;
    }
    a %= ADLER_MODULUS;
    b %= ADLER_MODULUS;
  }
  b = (b + zeros * a) % ADLER_MODULUS;
  return b * 0x1_0000 + a;
}
