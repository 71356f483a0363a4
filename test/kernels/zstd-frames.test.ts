/** Frames, blocks and literals put together by hand, for the corners of RFC 8878 that an encoder rarely shows. */
import { describe, expect, it } from 'vitest';
import { makeKernel } from './support.js';
import {
  attempt,
  backward,
  blockHeader,
  compressedBlock,
  frame,
  little,
  MAGIC,
  oneSequence,
  rawBlock,
  rawLiterals,
  WINDOWED,
  windowed,
} from './zstd-support.js';

const kernel = makeKernel();
const abc = [97, 98, 99];

function decode(packed: Uint8Array | number[], length: number): number[] | null {
  const content = attempt(kernel, Uint8Array.from(packed), length);
  return content === null ? null : [...content];
}

describe('zstd frames', () => {
  it('the smallest frame: one raw block', () => {
    expect(decode(frame(3, rawBlock(abc, true)), 3)).toEqual(abc);
  });

  it('all sizes of the content size', () => {
    const content = Array.from({ length: 300 }, (_, at) => at & 0xff);
    const block = rawBlock(content, true);
    expect(decode([...MAGIC, 0x20, 3, ...rawBlock(abc, true)], 3)).toEqual(abc);
    expect(decode([...MAGIC, 0x60, ...little(300 - 256, 2), ...block], 300)).toEqual(content);
    expect(decode([...MAGIC, 0xa0, ...little(300, 4), ...block], 300)).toEqual(content);
    expect(decode([...MAGIC, 0xe0, ...little(300, 8), ...block], 300)).toEqual(content);
    // No content size, but a window of 1 KiB.
    expect(decode([...WINDOWED, ...block], 300)).toEqual(content);
    // Content sizes that are not true.
    expect(decode([...MAGIC, 0xa0, ...little(299, 4), ...block], 300)).toBe(null);
    expect(decode([...MAGIC, 0xe0, ...little(300, 4), 1, 0, 0, 0, ...block], 300)).toBe(null);
  });

  it('frames of nothing, skippable frames, and what follows the last one', () => {
    const nothing = [...MAGIC, 0x20, 0, ...rawBlock([], true)];
    const skipped = [...little(0x184d2a5e, 4), ...little(5, 4), 1, 2, 3, 4, 5];
    const whole = [...frame(3, rawBlock(abc, true))];
    expect(decode([...skipped, ...nothing, ...whole, ...skipped, ...whole, 0xff, 0xff], 6)).toEqual([...abc, ...abc]);
    expect(decode([...skipped, ...skipped], 3)).toBe(null);
    expect(decode([...little(0x184d2a50, 4), ...little(0xffff_fff0, 4), ...whole], 3)).toBe(null);
    expect(decode([...whole, 0, 0, 0, 0, ...whole], 6)).toBe(null);
    expect(decode([], 3)).toBe(null);
  });

  it('refuses dictionaries, except number 0', () => {
    const block = rawBlock(abc, true);
    expect(decode([...MAGIC, 0x21, 0, 3, ...block], 3)).toEqual(abc);
    expect(decode([...MAGIC, 0x21, 7, 3, ...block], 3)).toBe(null);
    expect(decode([...MAGIC, 0x22, 0, 7, 3, ...block], 3)).toBe(null);
    expect(decode([...MAGIC, 0x23, 0, 0, 0, 7, 3, ...block], 3)).toBe(null);
  });

  it('refuses the reserved bit and ignores the unused one', () => {
    expect(decode([...MAGIC, 0x28, 3, ...rawBlock(abc, true)], 3)).toBe(null);
    expect(decode([...MAGIC, 0x30, 3, ...rawBlock(abc, true)], 3)).toEqual(abc);
  });

  it('refuses windows of more than 128 MiB', () => {
    const block = rawBlock(abc, true);
    expect(decode([...MAGIC, 0x00, 17 << 3, ...block], 3)).toEqual(abc);
    expect(decode([...MAGIC, 0x00, (17 << 3) | 1, ...block], 3)).toBe(null);
    expect(decode([...MAGIC, 0x00, 31 << 3, ...block], 3)).toBe(null);
  });

  it('verifies the checksum', () => {
    // The low half of xxh64 of nothing, ef46db3751d8e999.
    const head = [...MAGIC, 0x24, 0, ...rawBlock([], true)];
    const whole = [...frame(3, rawBlock(abc, true))];
    expect(decode([...head, ...little(0x51d8e999, 4), ...whole], 3)).toEqual(abc);
    expect(decode([...head, ...little(0x51d8e998, 4), ...whole], 3)).toBe(null);
    expect(decode([...head, ...little(0x51d8e999, 4).slice(1)], 3)).toBe(null);
  });
});

describe('zstd blocks', () => {
  it('RLE', () => {
    expect(decode(frame(8, rawBlock(abc), [...blockHeader(1, 5, true), 7]), 8)).toEqual([...abc, 7, 7, 7, 7, 7]);
    expect(decode(frame(3, [...blockHeader(1, 0), 7], rawBlock(abc, true)), 3)).toEqual(abc);
  });

  it('refuses the reserved type and blocks above the maximum', () => {
    expect(decode(frame(3, [...blockHeader(3, 3, true), ...abc]), 3)).toBe(null);
    // 128 KiB is the maximum, whatever the window.
    const size = 128 * 1024;
    expect(decode(frame(size, [...blockHeader(1, size, true), 7]), size)).toHaveLength(size);
    expect(decode(frame(size + 1, [...blockHeader(1, size + 1, true), 7]), size + 1)).toBe(null);
    // A window of 1 KiB allows no more than that, compressed or not.
    expect(decode([...WINDOWED, ...blockHeader(1, 1024, true), 7], 1024)).toHaveLength(1024);
    expect(decode([...WINDOWED, ...blockHeader(1, 1025, true), 7], 1025)).toBe(null);
  });

  it('refuses output beyond the expected length', () => {
    expect(decode([...WINDOWED, ...rawBlock(abc), ...rawBlock(abc, true)], 5)).toBe(null);
    const grown = compressedBlock(
      [...rawLiterals([1]), ...oneSequence({ literals: 1, offsetValue: 4, match: 20 })],
      true,
    );
    expect(decode([...WINDOWED, ...grown], 21)).toEqual(new Array(21).fill(1));
    expect(decode([...WINDOWED, ...grown], 20)).toBe(null);
  });
});

describe('zstd literals', () => {
  const none = [0];

  it('raw and RLE with headers of every size', () => {
    const long = Array.from({ length: 20 }, (_, at) => at);
    const raw = [
      [20 << 3, ...long],
      [...little(0b0100 | (20 << 4), 2), ...long],
      [...little(0b1100 | (20 << 4), 3), ...long],
    ];
    for (const literals of raw)
      expect(decode(windowed(compressedBlock([...literals, ...none], true)), 20)).toEqual(long);
    const single = [
      [1 | (20 << 3), 9],
      [...little(0b0101 | (20 << 4), 2), 9],
      [...little(0b1101 | (20 << 4), 3), 9],
    ];
    for (const literals of single) {
      expect(decode(windowed(compressedBlock([...literals, ...none], true)), 20)).toEqual(new Array(20).fill(9));
    }
    // More literals than a block may have.
    const tooMany = [...little(0b1101 | ((128 * 1024 + 1) << 4), 3), 9, ...none];
    expect(decode([...MAGIC, 0x00, 0x50, ...compressedBlock(tooMany, true)], 128 * 1024 + 1)).toBe(null);
  });

  // The tree of section 4.2.1: A 1 bit, B 2, C 3, E 4, F 4; weights 4 3 2 0 1, and 1 for F.
  const weights = [...new Array<number>(65).fill(0), 4, 3, 2, 0, 1];
  const codes: Record<string, [number, number]> = { A: [1, 1], B: [1, 2], C: [1, 3], E: [0, 4], F: [1, 4] };

  function tree(): number[] {
    const nibbles = [...weights, 0];
    const pairs = Array.from({ length: 35 }, (_, index) => nibbles[2 * index]! * 16 + nibbles[2 * index + 1]!);
    return [127 + weights.length, ...pairs];
  }

  /** One-stream header: type, format 0, sizes of 10 bits. */
  const header = (type: number, length: number, size: number) => little(type | (length << 4) | (size << 14), 3);
  const letters = (word: string) => [...word].map((letter) => letter.charCodeAt(0));
  const stream = (word: string) => backward([...word].map((letter) => codes[letter]!));
  const huffman = (word: string) => {
    const body = [...tree(), ...stream(word)];
    return [...header(2, word.length, body.length), ...body, ...none];
  };
  const treeless = (word: string) => [...header(3, word.length, stream(word).length), ...stream(word), ...none];

  it('Huffman: the example of the specification', () => {
    expect(stream('ABEF')).toEqual([0b0000_0001, 0b0000_1101]);
    expect(decode(windowed(compressedBlock(huffman('ABEF'), true)), 4)).toEqual(letters('ABEF'));
    expect(decode(windowed(compressedBlock(huffman('CAFEBABEE'), true)), 9)).toEqual(letters('CAFEBABEE'));
  });

  it('treeless literals use the last tree, across raw literals and raw blocks', () => {
    const blocks = [
      compressedBlock(huffman('FACE')),
      rawBlock(abc),
      compressedBlock([...rawLiterals(abc), ...none]),
      compressedBlock(treeless('CAFE'), true),
    ];
    expect(decode(windowed(...blocks), 14)).toEqual([...letters('FACE'), ...abc, ...abc, ...letters('CAFE')]);
  });

  it('a tree does not outlive its frame', () => {
    const first = windowed(compressedBlock(huffman('FACE'), true));
    const second = windowed(compressedBlock(treeless('CAFE'), true));
    expect(decode([...first, ...second], 8)).toBe(null);
    expect(decode(second, 4)).toBe(null);
  });

  it('four streams', () => {
    const word = 'ABCEFABCEFA';
    const parts = ['ABC', 'EFA', 'BCE', 'FA'].map(stream);
    const jumps = parts.slice(0, 3).flatMap((part) => little(part.length, 2));
    const body = [...tree(), ...jumps, ...parts.flat()];
    const section = [...little(2 | (1 << 2) | (word.length << 4) | (body.length << 14), 3), ...body, ...none];
    const packed = [...WINDOWED, ...compressedBlock(section, true)];
    expect(decode(packed, word.length)).toEqual(letters(word));
    // A jump behind the end.
    const wrong = packed.slice();
    wrong[wrong.length - none.length - parts.flat().length - 2] = 200;
    expect(decode(wrong, word.length)).toBe(null);
  });

  it('refuses streams that are too short, too long, or without end mark', () => {
    const section = (length: number, bits: number[]) => {
      const body = [...tree(), ...bits];
      return [...WINDOWED, ...compressedBlock([...header(2, length, body.length), ...body, ...none], true)];
    };
    expect(decode(section(4, stream('ABEF')), 4)).toEqual(letters('ABEF'));
    expect(decode(section(3, stream('ABEF')), 3)).toBe(null);
    expect(decode(section(5, stream('ABEF')), 5)).toBe(null);
    expect(decode(section(4, [...stream('ABEF'), 0]), 4)).toBe(null);
    expect(decode(section(900, stream('ABEF')), 900)).toBe(null);
  });

  it('refuses trees that are not complete', () => {
    const section = (description: number[]) => {
      const body = [...description, 0x80];
      return [...WINDOWED, ...compressedBlock([...header(2, 7, body.length), ...body, ...none], true)];
    };
    // Two equal weights: the bits of seven literals are all 0.
    expect(decode(section([128, 0x10]), 7)).toEqual(new Array(7).fill(0));
    // No weight at all, a weight of 12, a rest that is no power of two, a single longest code.
    expect(decode(section([128, 0x00]), 7)).toBe(null);
    expect(decode(section([128, 0xc0]), 7)).toBe(null);
    expect(decode(section([129, 0x31]), 7)).toBe(null);
    expect(decode(section([128, 0x20]), 7)).toBe(null);
    // Packed weights of no length.
    expect(decode(section([0]), 7)).toBe(null);
  });
});
