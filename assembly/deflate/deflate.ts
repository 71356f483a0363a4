/**
 * Deflate: RFC 1951 streams, raw or framed as RFC 1950 (zlib).
 *
 * Two steps. A parser turns the source into literals and matches, block by block (lazy.ts; optimal.ts for the highest
 * levels), with a match finder to propose them (chains.ts). When a block is complete, codes are made for what occurs in
 * it (huffman.ts) and it is written in the smallest of three ways (block.ts). Where a block ends is decided by watching
 * the symbols (split.ts); what cannot be compressed is noticed and passed quickly (literals.ts). The ideas are those of
 * libdeflate (Biggers), which showed how much faster than zlib one may be if a whole unit is at hand.
 *
 * Levels. How many candidates are compared, which length is good enough, and how a parser decides:
 *
 *   level  parser             candidates  good length   size on a root file system (4 KiB window, units of 64 KiB)
 *     1    greedy                   2           8       0.475
 *     2    greedy                   6          16       0.469
 *     3    lazy                     4          16       0.466   zlib's level 6 has 0.467 here
 *     4    lazy                     8          24       0.464
 *     5    lazy                    16          40       0.463
 *     6    lazy                    35          65       0.462
 *     7    lazy                   100         130       0.462
 *     8    two positions          120         258       0.462
 *     9    two positions          400         258       0.462
 *    10    optimal, 2 passes       24          60       0.458
 *    11    optimal, 3 passes       60         130       0.458
 *    12    optimal, 6 passes      200         258       0.457
 *
 * With a window of 4 KiB there is not much to be found, and levels 6 to 9 lie close together; with 32 KiB they do not.
 */
import { adler32 } from '../checksum';
import { alignToByte, openOutput, output, putBits } from './bits';
import { prepareFixedCodes } from './block';
import { prepareFormat } from './format';
import { parse } from './lazy';
import { parseOptimally } from './optimal';

const HEADER_BYTES: usize = 2;
const TRAILER_BYTES: usize = 4;

/**
 * Compresses `length` bytes at `source` into at most `capacity` bytes at `target` (8 more may be overwritten) and
 * returns how many the stream has; 0: it would have more. `level`: 1 to 12; `window`: largest distance, 256 to 32768;
 * `zlib`: with header and checksum.
 */
export function deflate(
  source: usize,
  length: usize,
  target: usize,
  capacity: usize,
  level: u32,
  window: u32,
  zlib: bool,
): usize {
  const framing = zlib ? HEADER_BYTES + TRAILER_BYTES : 0;
  if (capacity <= framing) return 0;
  prepareFormat();
  prepareFixedCodes();
  const start = zlib ? target + HEADER_BYTES : target;
  openOutput(start, capacity - framing);
  if (!compress(source, length, level, window)) return 0;
  alignToByte();
  if (!zlib) return output - target;
  writeHeader(target, level, window);
  store<u32>(output, bswap<u32>(adler32(source, length, 1)));
  return output + TRAILER_BYTES - target;
}

/** RFC 1950, section 2.2. */
function writeHeader(target: usize, level: u32, window: u32): void {
  const windowBits = max(32 - clz(window - 1), 8);
  const method = ((windowBits - 8) << 4) | 8;
  const effort: u32 = level < 2 ? 0 : level < 6 ? 1 : level == 6 ? 2 : 3;
  const head = (method << 8) | (effort << 6);
  store<u8>(target, method);
  store<u8>(target, (head & 0xff) + 31 - (head % 31), 1);
}

/** The parser that a level stands for. */
function compress(source: usize, length: usize, level: u32, window: u32): bool {
  switch (level) {
    case 1:
      return parse(source, length, window, 2, 8, 0);
    case 2:
      return parse(source, length, window, 6, 16, 0);
    case 3:
      return parse(source, length, window, 4, 16, 1);
    case 4:
      return parse(source, length, window, 8, 24, 1);
    case 5:
      return parse(source, length, window, 16, 40, 1);
    case 6:
      return parse(source, length, window, 35, 65, 1);
    case 7:
      return parse(source, length, window, 100, 130, 1);
    case 8:
      return parse(source, length, window, 120, 258, 2);
    case 9:
      return parse(source, length, window, 400, 258, 2);
    case 10:
      return parseOptimally(source, length, window, 24, 60, 2);
    case 11:
      return parseOptimally(source, length, window, 60, 130, 3);
    default:
      return parseOptimally(source, length, window, 200, 258, 6);
  }
}
