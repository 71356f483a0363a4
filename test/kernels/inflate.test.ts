import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { mixture, samples, text } from '../support/content.js';
import { Random } from '../support/random.js';
import { attemptInflate, makeKernel, same } from './support.js';

const kernel = makeKernel();

const strategies = {
  default: zlib.constants.Z_DEFAULT_STRATEGY,
  filtered: zlib.constants.Z_FILTERED,
  huffman: zlib.constants.Z_HUFFMAN_ONLY,
  rle: zlib.constants.Z_RLE,
  fixed: zlib.constants.Z_FIXED,
};

const attempt = (packed: Uint8Array, length: number, framing: 'raw' | 'zlib') =>
  attemptInflate(kernel, packed, length, framing);

describe('inflate reads what zlib writes', () => {
  for (const [name, bytes] of samples(1)) {
    it(name, () => {
      for (const [strategy, value] of Object.entries(strategies)) {
        for (const options of [
          { level: 1 },
          { level: 6, windowBits: 12 },
          { level: 9, memLevel: 1 },
          { level: 0, windowBits: 9 },
        ]) {
          const settings = { ...options, strategy: value };
          const raw = zlib.deflateRawSync(bytes, settings);
          expect(same(attempt(raw, bytes.length, 'raw'), bytes), strategy).toBe(true);
          const framed = zlib.deflateSync(bytes, settings);
          expect(same(attempt(framed, bytes.length, 'zlib'), bytes), strategy).toBe(true);
        }
      }
    });
  }

  it('at every level', () => {
    const bytes = mixture(new Random(2), 100_000);
    for (let level = 0; level <= 9; level++) {
      const packed = zlib.deflateRawSync(bytes, { level });
      expect(same(attempt(packed, bytes.length, 'raw'), bytes)).toBe(true);
    }
  });

  it('with bytes behind the stream', () => {
    const bytes = text(new Random(3), 5000);
    const packed = new Uint8Array([...zlib.deflateRawSync(bytes), ...new Random(4).bytes(300)]);
    expect(same(attempt(packed, bytes.length, 'raw'), bytes)).toBe(true);
  });
});
