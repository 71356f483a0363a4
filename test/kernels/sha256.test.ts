import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Sha256 } from '../../src/kernels/sha256.js';
import { Random } from '../support/random.js';
import { makeKernel } from './support.js';

function expected(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('sha256', () => {
  it('is what OpenSSL computes, at every length around the padding and the blocks', () => {
    const kernel = makeKernel();
    for (const length of [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 1000, 65536]) {
      const bytes = new Random(length + 1).bytes(length);
      const hash = new Sha256(kernel);
      hash.update(bytes);
      expect(hash.digest(), `${length} bytes`).toBe(expected(bytes));
    }
  });

  it('does not depend on how the bytes are cut, also beyond the scratch memory', () => {
    const kernel = makeKernel();
    const random = new Random(7);
    const bytes = random.bytes(5 * 1024 * 1024 + 13);
    const hash = new Sha256(kernel);
    for (let at = 0; at < bytes.length; ) {
      const length = random.below(10) === 0 ? 3 * 1024 * 1024 : random.below(200);
      hash.update(bytes.subarray(at, at + length));
      at += length;
    }
    expect(hash.digest()).toBe(expected(bytes));
  });
});
