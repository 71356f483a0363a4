import { describe, expect, it } from 'vitest';
import { Random } from '../support/random.js';
import { makeKernel } from './support.js';

const kernel = makeKernel();

/** What `Kernels.split` promises, byte by byte. */
function naiveSplit(bytes: Uint8Array, granule: number, minimum: number): number[] {
  if (bytes.length === 0) return [];
  if (bytes.every((byte) => byte === 0)) return [0, bytes.length];
  const lengths = [0];
  const zeroAt = (at: number) =>
    at + granule <= bytes.length && bytes.subarray(at, at + granule).every((byte) => byte === 0);
  for (let at = 0; at < bytes.length; ) {
    let end = at;
    while (zeroAt(end)) end += granule;
    if (end > at && end - at >= minimum) {
      lengths.push(end - at, 0);
      at = end;
      continue;
    }
    const data = Math.min(Math.max(end, at + granule), bytes.length);
    lengths[lengths.length - 1]! += data - at;
    at = data;
  }
  if (lengths.at(-1) === 0) lengths.pop();
  return lengths;
}

/** Sectors of zeros and of data with a single bit, in runs of random lengths. */
function pattern(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 512 * (1 + random.below(12))) {
    if (random.below(2) === 0) bytes[Math.min(at + random.below(512), length - 1)] = 1 << random.below(8);
  }
  return bytes;
}

describe('split', () => {
  it('agrees with the definition on random patterns', () => {
    const random = new Random(1);
    for (let round = 0; round < 400; round++) {
      const bytes = pattern(random, random.below(3) * 4096 + random.below(20_000));
      const granule = 512 << random.below(5);
      const minimum = random.below(4) * granule + random.below(2) * 512;
      expect(kernel.split(bytes, granule, minimum)).toEqual(naiveSplit(bytes, granule, minimum));
    }
  });

  it('finds a single bit wherever it is', () => {
    for (let at = 0; at < 4096; at += 37) {
      const bytes = new Uint8Array(16_384);
      bytes[8192 + at] = 0x80;
      expect(kernel.split(bytes, 4096, 4096)).toEqual([0, 8192, 4096, 4096]);
    }
  });

  it('begins with data', () => {
    const bytes = new Uint8Array(4096).fill(1, 0, 512);
    expect(kernel.split(bytes, 512, 512)).toEqual([512, 3584]);
    expect(kernel.split(new Uint8Array(4096), 512, 512)).toEqual([0, 4096]);
    expect(kernel.split(new Uint8Array(0), 512, 512)).toEqual([]);
  });

  it('takes all zeros for one stretch whatever granule and minimum are', () => {
    expect(kernel.split(new Uint8Array(700), 4096, 65_536)).toEqual([0, 700]);
    expect(kernel.split(new Uint8Array(9000), 4096, 65_536)).toEqual([0, 9000]);
  });

  it('counts an incomplete granule at the end as data', () => {
    const bytes = new Uint8Array(4096 * 3 + 100);
    bytes[0] = 1;
    expect(kernel.split(bytes, 4096, 4096)).toEqual([4096, 8192, 100]);
  });

  it('keeps stretches below the minimum in the data', () => {
    const bytes = new Uint8Array(512 * 20).fill(1);
    bytes.fill(0, 512 * 2, 512 * 5);
    bytes.fill(0, 512 * 8, 512 * 12);
    expect(kernel.split(bytes, 512, 512 * 4)).toEqual([512 * 8, 512 * 4, 512 * 8]);
  });

  it('is the same in the arena, and for more than the scratch memory holds', () => {
    const bytes = pattern(new Random(2), 5 << 20);
    const expected = kernel.split(bytes, 4096, 8192);
    expect(expected.reduce((sum, length) => sum + length, 0)).toBe(bytes.length);
    const place = new Uint8Array(kernel.memory.buffer, kernel.arena.offset + 3, 2 << 20);
    place.set(bytes.subarray(0, place.length));
    expect(kernel.split(place, 4096, 8192)).toEqual(kernel.split(bytes.slice(0, place.length), 4096, 8192));
  });

  it('is the same for bytes that cannot be looked at as words', () => {
    const odd = new Uint8Array(8193).fill(1);
    odd.fill(0, 4097);
    for (const bytes of [odd, odd.subarray(1), odd.subarray(1, 4097)])
      expect(kernel.split(bytes, 4096, 4096)).toEqual(naiveSplit(bytes, 4096, 4096));
  });

  it('refuses granules below a sector', () => {
    expect(() => kernel.split(new Uint8Array(512), 256, 512)).toThrow(RangeError);
  });
});

describe('isZero', () => {
  it('sees every byte of every length', () => {
    for (let length = 0; length < 300; length++) {
      const bytes = new Uint8Array(length);
      expect(kernel.isZero(bytes)).toBe(true);
      for (let at = 0; at < length; at += 1 + (length >> 5)) {
        bytes[at] = 1;
        expect(kernel.isZero(bytes)).toBe(false);
        bytes[at] = 0;
      }
    }
  });

  it('does not look behind the end', () => {
    const place = new Uint8Array(kernel.memory.buffer, kernel.arena.offset, 1000).fill(1);
    expect(kernel.isZero(place.subarray(10, 500).fill(0))).toBe(true);
  });

  it('takes more than the scratch memory holds', () => {
    const bytes = new Uint8Array(5 << 20);
    expect(kernel.isZero(bytes)).toBe(true);
    bytes[bytes.length - 1] = 1;
    expect(kernel.isZero(bytes)).toBe(false);
  });
});
