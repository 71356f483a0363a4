/** LZFSE: streams of the reference encoder, sound and damaged. */
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/errors.js';
import { decodeLzfse } from '../../../src/formats/dmg/codecs/lzfse/lzfse.js';
import { REFERENCE } from './lzfse-reference.js';
import { COMPRESSED, LZVN, lines, PLAIN } from './lzfse-samples.js';

const samples: [string, Buffer, string][] = [
  ['entropy codes', COMPRESSED, lines(300)],
  ['LZVN', LZVN, lines(40)],
  ['no compression', PLAIN, 'abc'],
  [
    'blocks of all kinds',
    Buffer.concat([withoutEnd(LZVN), withoutEnd(COMPRESSED), PLAIN]),
    [lines(40), lines(300), 'abc'].join(''),
  ],
];

/** Without the magic at the end of the stream. */
function withoutEnd(stream: Buffer): Buffer {
  return stream.subarray(0, stream.length - 4);
}

function decode(packed: Uint8Array, length: number): string {
  const into = Buffer.alloc(length);
  decodeLzfse(packed, into);
  return into.toString('latin1');
}

/** A block of very many literals and matches that take no bits and come to nothing. */
function idleBlock(): Buffer {
  const block = Buffer.alloc(32);
  block.write('bvx2');
  block.writeBigUInt64LE(40_000n | (10_000n << 40n) | (7n << 60n), 8);
  block.writeBigUInt64LE(7n << 60n, 16);
  block.writeBigUInt64LE(32n, 24);
  return block;
}

describe('LZFSE', () => {
  it('work that comes to nothing is refused', () => {
    for (const contentSize of [0, 3, 10_000]) {
      const block = idleBlock();
      block.writeUInt32LE(contentSize, 4);
      const stream = Buffer.concat([...Array<Buffer>(2000).fill(block), PLAIN]);
      expect(() => decode(stream, 3)).toThrow(/holds/);
    }
  });

  it.each(samples)('%s', (_, packed, content) => {
    expect(decode(packed, content.length)).toBe(content);
  });

  it.each(REFERENCE)('%s', (_, content, stream) => {
    const into = new Uint8Array(content.length).fill(0xee);
    decodeLzfse(Buffer.from(stream.join(''), 'base64'), into);
    expect(Buffer.compare(into, content)).toBe(0);
  });

  it.each(samples)('%s, cut off anywhere, is refused', (_, packed, content) => {
    const stream = withoutEnd(packed);
    for (let length = 0; length <= stream.length; length += 1 + (length >> 4))
      expect(() => decode(stream.subarray(0, length), content.length)).toThrow('the LZFSE stream is damaged');
  });

  it.each([
    ['too little', 1, 'too few bytes'],
    ['too much', -1, 'too many bytes'],
  ])('%s is refused', (_, more, why) => {
    for (const [packed, content] of [
      [COMPRESSED, lines(300)],
      [LZVN, lines(40)],
      [PLAIN, 'abc'],
    ] as const)
      expect(() => decode(packed, content.length + more)).toThrow(why);
  });

  it('a bit that is wrong does no more than damage', () => {
    for (let bit = 0; bit < 8 * COMPRESSED.length; bit += 5) {
      const damaged = Buffer.from(COMPRESSED);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      try {
        expect(decode(damaged, lines(300).length)).toHaveLength(lines(300).length);
      } catch (error) {
        expect(error).toBeInstanceOf(ImageError);
      }
    }
  });
});
