/** The decoder against what the real encoder writes, whole and damaged. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mixture, samples, text } from '../support/content.js';
import { describeWith } from '../support/judges.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';
import { makeKernel, same } from './support.js';
import { attempt, little } from './zstd-support.js';

const kernel = makeKernel();

function zstd(bytes: Uint8Array, ...options: string[]): Uint8Array {
  return execFileSync('zstd', ['-q', '-c', ...options], { input: bytes, maxBuffer: 1 << 26 });
}

describeWith(['zstd'], 'zstd: reads what the reference encoder writes', () => {
  const settings = [
    ['-1', '--no-check'],
    ['-3', '--check'],
    ['-9', '--no-check'],
    ['-19', '--check'],
    ['--ultra', '-22', '--no-check'],
    ['--fast=7', '--check'],
  ];
  const scratch = scratchDirectory();
  const contents = samples(11);

  for (const options of settings) {
    // One call for all files: a start of the program takes longer than most of the work.
    it(`from files, ${options.join(' ')}`, () => {
      const files = contents.map(([, bytes], index) => {
        writeFileSync(scratch(`${index}`), bytes);
        return scratch(`${index}`);
      });
      execFileSync('zstd', ['-q', '-f', ...options, ...files]);
      for (const [index, [name, bytes]] of contents.entries()) {
        const packed = readFileSync(scratch(`${index}.zst`));
        expect(same(attempt(kernel, packed, bytes.length), bytes), name).toBe(true);
      }
    });
  }

  it('from a pipe, where frames have a window instead of a content size', () => {
    for (const [name, bytes] of contents) {
      expect(same(attempt(kernel, zstd(bytes, '-3'), bytes.length), bytes), name).toBe(true);
    }
  });

  it('many frames, skippable ones between them, and padding behind the last one', () => {
    const random = new Random(12);
    const parts = Array.from({ length: 12 }, () => mixture(random, random.below(9000)));
    const packed = parts.flatMap((part, index) => {
      const skippable = [...little(0x184d2a50 + index, 4), ...little(index, 4), ...random.bytes(index)];
      return [...skippable, ...zstd(part, `-${1 + index}`, index % 2 === 0 ? '--check' : '--no-check')];
    });
    const whole = Buffer.concat(parts);
    expect(same(attempt(kernel, Uint8Array.from(packed), whole.length), whole)).toBe(true);
    for (const padding of [1, 3, 4, 511]) {
      const padded = Uint8Array.from([...packed, ...new Array<number>(padding).fill(0)]);
      expect(same(attempt(kernel, padded, whole.length), whole)).toBe(true);
    }
    expect(attempt(kernel, Uint8Array.from(packed), whole.length - 1)).toBe(null);
    expect(attempt(kernel, Uint8Array.from(packed), whole.length + 1)).toBe(null);
  });

  it('more than the scratch memory holds', () => {
    const bytes = mixture(new Random(13), 5_000_000);
    const into = new Uint8Array(bytes.length);
    kernel.zstdDecompress(zstd(bytes, '-3', '--check'), into);
    expect(same(into, bytes)).toBe(true);
  });
});

/** Frames that use all parts of the format between them, with and without checksum. */
function victims(): { bytes: Uint8Array; packed: Uint8Array; checked: boolean }[] {
  const random = new Random(14);
  return [900, 2500, 4000].flatMap((length, index) => {
    const bytes = index === 1 ? text(random, length) : mixture(random, length);
    return [true, false].map((checked) => {
      const packed = zstd(bytes, ['-1', '-19', '-3'][index]!, checked ? '--check' : '--no-check');
      return { bytes, packed, checked };
    });
  });
}

describeWith(['zstd'], 'zstd: damaged frames', () => {
  it('every prefix is refused', () => {
    for (const { bytes, packed } of victims()) {
      for (let length = 0; length < packed.length; length++) {
        expect(attempt(kernel, packed.subarray(0, length), bytes.length)).toBe(null);
      }
    }
  });

  it('every bit flip is refused, or harmless where there is a checksum, or at least stays within bounds', () => {
    let refused = 0;
    for (const { bytes, packed, checked } of victims()) {
      for (let bit = 0; bit < packed.length * 8; bit++) {
        const flipped = packed.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        const content = attempt(kernel, flipped, bytes.length);
        if (content === null) refused++;
        else if (checked) expect(same(content, bytes)).toBe(true);
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });

  it('random bytes in place of a stretch stay within bounds', () => {
    const random = new Random(15);
    for (const { bytes, packed, checked } of victims()) {
      for (let round = 0; round < 2000; round++) {
        const damaged = packed.slice();
        const at = random.below(damaged.length);
        damaged.set(random.bytes(1 + random.below(12)).subarray(0, damaged.length - at), at);
        const content = attempt(kernel, damaged, bytes.length);
        if (content !== null && checked) expect(same(content, bytes)).toBe(true);
      }
    }
  });
});

describe('zstd: errors say what is wrong', () => {
  const reason = (packed: Uint8Array) => {
    try {
      kernel.zstdDecompress(packed, new Uint8Array(10));
    } catch (error) {
      return (error as Error).message;
    }
    return 'nothing';
  };

  it('for each way to be wrong', () => {
    const magic = little(0xfd2fb528, 4);
    expect(reason(Uint8Array.from([1, 2, 3, 4]))).toBe('Could not decompress: no frame begins where one should');
    expect(reason(Uint8Array.from(magic))).toBe('Could not decompress: the frame ends too early');
    expect(reason(Uint8Array.from([...magic, 0x28, 0]))).toBe('Could not decompress: malformed frame');
    expect(reason(Uint8Array.from([...magic, 0x20, 11]))).toBe('Could not decompress: the frames hold too many bytes');
    expect(reason(new Uint8Array(0))).toBe('Could not decompress: the frames hold too few bytes');
    expect(reason(Uint8Array.from([...magic, 0x21, 1, 10]))).toBe('Could not decompress: the frame needs a dictionary');
  });
});
