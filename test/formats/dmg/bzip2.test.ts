/** Our bzip2 against the program. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { decodeBzip2 } from '../../../src/codecs/bzip2/bzip2.js';
import { describeWith } from '../../support/judges.js';
import { noise } from '../qcow2/writing.js';

function compress(content: Uint8Array, level = 9): Uint8Array {
  const { stdout, error } = spawnSync('bzip2', [`-${level}`], { input: content, maxBuffer: 1 << 28 });
  if (error) throw error;
  return new Uint8Array(stdout);
}

/** Text of a kind: words in an order that noise decides. */
function text(length: number): Buffer {
  const words = ['sector', 'cluster', 'grain', 'block ', 'a', 'the', '\n', '    '];
  return Buffer.from(Array.from(noise(length, 4), (byte) => words[byte & 7]).join(' ')).subarray(0, length);
}

describeWith(['bzip2'], 'bzip2', () => {
  const samples: [string, Uint8Array, number?][] = [
    ['one byte', Buffer.from('a')],
    ['noise', noise(300_000, 1)],
    ['noise in several blocks', noise(350_000, 2), 1],
    ['text', text(400_000)],
    ['zeros', new Uint8Array(2_000_000)],
    ['runs of all lengths', Buffer.concat(Array.from({ length: 600 }, (_, count) => Buffer.alloc(count, count & 255)))],
    ['all bytes', Uint8Array.from({ length: 256 }, (_, byte) => byte)],
  ];

  it.each(samples)('%s', (_, content, level) => {
    const into = new Uint8Array(content.length);
    decodeBzip2(compress(content, level), into);
    expect(Buffer.compare(into, content)).toBe(0);
  });

  it('what is damaged is refused, or does no harm', () => {
    const content = text(5000);
    const packed = compress(content);
    // The fourth byte says how large blocks may be.
    for (let at = 4; at < packed.length; at++) {
      const damaged = packed.slice();
      damaged[at]! ^= 1 << (at & 7);
      const into = new Uint8Array(content.length);
      try {
        decodeBzip2(damaged, into);
      } catch (error) {
        expect(String(error)).toContain('the bzip2 stream is damaged');
        continue;
      }
      expect(Buffer.compare(into, content)).toBe(0);
    }
  });

  it.each([
    ['a shorter one', (packed: Uint8Array) => packed.subarray(0, packed.length - 12), 5000, 'ends too early'],
    ['more than there is place for', (packed: Uint8Array) => packed, 4999, 'too many bytes'],
    ['less than there should be', (packed: Uint8Array) => packed, 5001, 'too few bytes'],
  ])('%s is refused', (_, change, length, why) => {
    expect(() => decodeBzip2(change(compress(text(5000))), new Uint8Array(length))).toThrow(why);
  });
});
