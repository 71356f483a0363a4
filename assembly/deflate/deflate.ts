/**
 * Deflate: RFC 1951 streams, raw or framed as RFC 1950 (zlib).
 *
 * Levels. Each trades speed for size with one of the parsers and how hard it searches:
 */
import { adler32 } from '../checksum';
import { alignToByte, openOutput, output, putBits } from './bits';
import { prepareFixedCodes, writeStored } from './block';
import { prepareFormat } from './format';
import { parseGreedily, parseLazily, parseTwiceLazily } from './lazy';
import { parseOptimally } from './optimal';

const HEADER_BYTES: usize = 2;
const TRAILER_BYTES: usize = 4;

/** Units up to this length are stored: any code costs more than it could save. */
const TOO_SHORT_TO_SEARCH: usize = 8;

/**
 * Compresses `length` bytes at `source` into at most `capacity` bytes at `target` (8 more may be overwritten) and returns
 * how many the stream has; 0: it would have more. `level`: 1 to 12; `window`: largest distance, 256 to 32768; `zlib`:
 * with header and checksum.
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

function compress(source: usize, length: usize, level: u32, window: u32): bool {
  switch (level) {
    case 1: return parseGreedily(source, length, window, 2, 8);
    case 2: return parseGreedily(source, length, window, 6, 10);
    case 3: return parseGreedily(source, length, window, 12, 14);
    case 4: return parseGreedily(source, length, window, 16, 30);
    case 5: return parseLazily(source, length, window, 16, 30);
    case 6: return parseLazily(source, length, window, 35, 65);
    case 7: return parseLazily(source, length, window, 100, 130);
    case 8: return parseTwiceLazily(source, length, window, 300, 258);
    case 9: return parseTwiceLazily(source, length, window, 600, 258);
    case 10: return parseOptimally(source, length, window, 35, 75, 2);
    case 11: return parseOptimally(source, length, window, 100, 150, 4);
    default: return parseOptimally(source, length, window, 300, 258, 10);
  }
}
