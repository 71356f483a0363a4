import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/random.js';
import { makeKernel, mixture, repeats, same, samples } from './support.js';

const kernel = makeKernel();
const levels = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/** Compresses, reads back with zlib at exactly this window and with our own inflate, and returns the stream. */
function roundTrip(bytes: Uint8Array, level: number, window: number, framing: 'raw' | 'zlib'): Uint8Array {
  const view = kernel.deflate(bytes, { level, window, framing, limit: bytes.length + 100 + (bytes.length >> 10) });
  const packed = view!.slice();
  const label = `level ${level}, window ${window}, ${framing}`;
  const windowBits = Math.max(9, Math.log2(window));
  const read = framing === 'raw' ? zlib.inflateRawSync(packed, { windowBits }) : zlib.inflateSync(packed);
  expect(same(read, bytes), `zlib, ${label}`).toBe(true);
  const into = new Uint8Array(bytes.length);
  kernel.inflate(packed, into, framing);
  expect(same(into, bytes), `inflate, ${label}`).toBe(true);
  return packed;
}

describe('what deflate writes is read by zlib and by inflate', () => {
  for (const [name, bytes] of samples(5)) {
    it(name, () => {
      for (const level of levels) {
        roundTrip(bytes, level, 4096, 'raw');
        roundTrip(bytes, level, 32768, 'zlib');
      }
    });
  }

  it('with every window', () => {
    const bytes = mixture(new Random(6), 80_000);
    for (let window = 512; window <= 32768; window *= 2) {
      for (const level of levels) roundTrip(bytes, level, window, 'raw');
    }
  });
});
