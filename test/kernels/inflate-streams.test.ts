import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { mixture, text } from '../support/content.js';
import { Random } from '../support/random.js';
import { BitWriter, type Lengths, PlainInflate } from './bits.js';
import { attemptInflate, makeKernel, same } from './support.js';

const kernel = makeKernel();
const END = 256;

/** What inflate makes of a raw stream: its bytes, or null. */
function read(stream: Uint8Array | BitWriter, length: number): number[] | null {
  const packed = stream instanceof BitWriter ? stream.bytes() : stream;
  const content = attemptInflate(kernel, packed, length, 'raw');
  return content === null ? null : [...content];
}

const letters = (written: string) => [...new TextEncoder().encode(written)];

/** Code lengths for 286 and 30 symbols, given as pairs. */
function lengthsOf(count: number, pairs: Record<number, number>): Lengths {
  return Array.from({ length: count }, (_, symbol) => pairs[symbol] ?? 0);
}

describe('streams built by hand', () => {
  it('empty blocks of each kind before the content', () => {
    const none = lengthsOf(257, { 0: 1, [END]: 1 });
    const stream = new BitWriter()
      .stored([], false)
      .block(1, false)
      .symbols([END])
      .dynamicHeader(none, [0], false)
      .symbols([END], none)
      .stored(letters('content'));
    expect(read(stream, 7)).toEqual(letters('content'));
  });

  it('nothing at all', () => {
    expect(read(new BitWriter().block(1).symbols([END]), 0)).toEqual([]);
  });

  it('stored blocks up to the longest', () => {
    const bytes = new Random(1).bytes(65_535);
    const stream = new BitWriter().stored([...bytes], false).stored([7]);
    expect(same(attemptInflate(kernel, stream.bytes(), 65_536, 'raw'), Uint8Array.from([...bytes, 7]))).toBe(true);
  });

  it('the longest match, and the longest distance', () => {
    const bytes = new Random(2).bytes(32_768);
    const stream = new BitWriter()
      .stored([...bytes], false)
      .block(1)
      .match(258, 32_768)
      .match(3, 1)
      .symbols([END]);
    const expected = [...bytes, ...bytes.subarray(0, 258), ...new Array(3).fill(bytes[257])];
    expect(same(attemptInflate(kernel, stream.bytes(), 32_768 + 261, 'raw'), Uint8Array.from(expected))).toBe(true);
  });

  it('matches that repeat themselves, at each distance, long and short', () => {
    for (let distance = 1; distance <= 40; distance++) {
      const bytes = [...new Random(distance).bytes(distance)];
      const lengths = [3, 4, 15, 16, 17, 31, 32, 33, 48, 64, 65, 257, 258];
      const stream = new BitWriter().stored(bytes, false).block(1);
      for (const length of lengths) stream.match(length, distance);
      // Literals behind them keep the fast loop busy until the last match is done.
      stream.symbols([...new Array(700).fill(1), END]);
      const total = lengths.reduce((sum, length) => sum + length, distance);
      const expected = Array.from({ length: total + 700 }, (_, at) => (at < total ? bytes[at % distance]! : 1));
      expect(read(stream, expected.length)).toEqual(expected);
    }
  });

  it('a distance to the first byte is right, one more is not', () => {
    for (const filler of [0, 600]) {
      const behind = [...new Array(filler).fill(9), END];
      const right = new BitWriter().block(1).symbols(letters('abcdefgh')).match(4, 8).symbols(behind);
      expect(read(right, 12 + filler)?.slice(0, 12)).toEqual(letters('abcdefghabcd'));
      const wrong = new BitWriter().block(1).symbols(letters('abcdefgh')).match(4, 9).symbols(behind);
      expect(read(wrong, 12 + filler)).toBeNull();
    }
  });

  it('codes of 15 bits for literals, lengths and distances', () => {
    // 1, 2, ... 14, 15, 15: complete.
    const litlens = lengthsOf(286, {
      ...Object.fromEntries(Array.from({ length: 12 }, (_, index) => [65 + index, index + 1])),
      [END]: 13,
      200: 14,
      201: 15,
      285: 15,
    });
    const distances = lengthsOf(30, {
      ...Object.fromEntries(Array.from({ length: 14 }, (_, index) => [index, index + 1])),
      20: 15,
      29: 15,
    });
    const bytes = [...new Random(3).bytes(30_000)];
    const stream = new BitWriter().stored(bytes, false).dynamicHeader(litlens, distances);
    stream.symbols([65, 200, 201, 76], litlens).match(258, 25_000, litlens, distances).symbols([201], litlens);
    stream.match(258, 1025 + 400, litlens, distances).symbols([...new Array(400).fill(201), END], litlens);
    const expected = new PlainInflate(stream.bytes(), 1e9).content;
    expect(expected.length).toBe(30_000 + 4 + 258 + 1 + 258 + 400);
    expect(same(attemptInflate(kernel, stream.bytes(), expected.length, 'raw'), Uint8Array.from(expected))).toBe(true);
  });

  it('one distance code of one bit; its other half stands for nothing', () => {
    const litlens = lengthsOf(258, { 65: 1, 257: 2, [END]: 2 });
    const ok = new BitWriter().dynamicHeader(litlens, [1]).symbols([65], litlens).match(3, 1, litlens, [1]);
    expect(read(ok.symbols([END], litlens), 4)).toEqual(letters('AAAA'));
    const other = new BitWriter().dynamicHeader(litlens, [1]).symbols([65, 257], litlens).number(1, 1);
    expect(read(other.symbols([END], litlens), 4)).toBeNull();
  });

  it('no distance codes: literals are read, a match is refused', () => {
    const litlens = lengthsOf(258, { 65: 1, 257: 2, [END]: 2 });
    expect(read(new BitWriter().dynamicHeader(litlens, [0]).symbols([65, 65, END], litlens), 2)).toEqual([65, 65]);
    const match = new BitWriter().dynamicHeader(litlens, [0]).symbols([65, 257], litlens).number(0, 40);
    expect(read(match, 4)).toBeNull();
  });

  it('a block with nothing but its end', () => {
    const litlens = lengthsOf(257, { [END]: 1 });
    const stream = new BitWriter().dynamicHeader(litlens, [0], false).symbols([END], litlens).stored([1, 2]);
    expect(read(stream, 2)).toEqual([1, 2]);
    const half = new BitWriter().dynamicHeader(litlens, [0], false).number(1, 1).stored([1, 2]);
    expect(read(half, 2)).toBeNull();
  });

  it('bytes behind the end are ignored, and so is what the stream holds beyond the output', () => {
    const stream = new BitWriter().block(1).symbols(letters('abc')).match(258, 3).symbols([END]).align();
    expect(read(stream.raw(new Random(4).bytes(100)), 261)?.length).toBe(261);
    expect(read(stream, 5)).toEqual(letters('abcab'));
    expect(read(stream, 3)).toEqual(letters('abc'));
  });
});

describe('malformed streams', () => {
  const complete = lengthsOf(257, { 65: 1, [END]: 1 });
  const cases: [name: string, stream: BitWriter, length?: number][] = [
    ['the reserved block type', new BitWriter().block(3).number(0, 64)],
    ['a stored block whose complement is wrong', new BitWriter().stored([1, 2, 3], true, 0x1234)],
    [
      'a stored block that ends early',
      new BitWriter()
        .block(0)
        .align()
        .number(9, 16)
        .number(9 ^ 0xffff, 16),
    ],
    ['the unused length symbol 286', new BitWriter().block(1).symbols([65, 286]).number(0, 64)],
    ['the unused length symbol 287', new BitWriter().block(1).symbols([65, 287]).number(0, 64)],
    ['the unused distance symbol 30', new BitWriter().block(1).symbols([65, 257]).code('11110').number(0, 64)],
    ['287 literal codes', new BitWriter().block(2).number(30, 5).number(0, 5).number(0, 300)],
    ['31 distance codes', new BitWriter().block(2).number(0, 5).number(30, 5).number(0, 300)],
    [
      'too many codes of lengths',
      new BitWriter().block(2).number(0, 10).number(15, 4).number(0o1111111, 21).number(0, 200),
    ],
    ['too few codes of lengths', new BitWriter().block(2).number(0, 10).number(0, 4).number(0o22, 12).number(0, 200)],
    ['no codes of lengths', new BitWriter().block(2).number(0, 10).number(0, 4).number(0, 300)],
    ['a repeat with nothing before it', firstLengthRepeats()],
    ['a repeat beyond the last length', lengthsRunOver()],
    ['too many literal codes', new BitWriter().dynamicHeader(lengthsOf(257, { 1: 1, 2: 1, [END]: 1 }), [1])],
    ['too few literal codes', new BitWriter().dynamicHeader(lengthsOf(257, { 1: 2, 2: 2, [END]: 2 }), [1])],
    ['no code for the end', new BitWriter().dynamicHeader(lengthsOf(257, { 1: 1, 2: 1 }), [1])],
    ['too many distance codes', new BitWriter().dynamicHeader(complete, [1, 1, 1])],
    ['too few distance codes', new BitWriter().dynamicHeader(complete, [2, 2])],
    ['an end before the output is full', new BitWriter().block(1).symbols([65, END]), 2],
    ['nothing', new BitWriter()],
  ];
  for (const [name, stream, length] of cases) {
    it(name, () => {
      // Bits behind the mistake, so that it is not the end of the stream that is noticed.
      const packed = length === undefined && name !== 'nothing' ? stream.number(0, 500) : stream;
      expect(read(packed, length ?? 300)).toBeNull();
    });
  }

  function firstLengthRepeats(): BitWriter {
    // Two lengths have codes of one bit: 16 (repeat) is 1, 1 is 0.
    return new BitWriter()
      .block(2)
      .number(0, 10)
      .number(14, 4)
      .number(1, 3)
      .number(0, 48)
      .number(1, 3)
      .number(0b001, 3);
  }

  function lengthsRunOver(): BitWriter {
    // 18 (zeros) is 1, 1 is 0; 257 + 1 lengths; two repeats of 138 are 276.
    const stream = new BitWriter().block(2).number(0, 10).number(14, 4).number(0, 6).number(1, 3).number(0, 42);
    return stream.number(1, 3).number(0, 1).number(0xff, 8).number(0xff, 8);
  }

  it('reads the two hand-made headers as far as the mistake', () => {
    expect(() => new PlainInflate(firstLengthRepeats().number(0, 500).bytes(), 300)).toThrow('nothing to repeat');
    expect(() => new PlainInflate(lengthsRunOver().number(0, 500).bytes(), 300)).toThrow('too many lengths');
  });
});

describe('damaged streams are refused or read within bounds, as the plain reader reads them', () => {
  const content = mixture(new Random(5), 3000);
  const prose = text(new Random(6), 1500);
  const streams: [name: string, stream: Uint8Array, length: number][] = [
    ['dynamic', zlib.deflateRawSync(content, { level: 9 }), content.length],
    ['fixed', zlib.deflateRawSync(prose, { strategy: zlib.constants.Z_FIXED }), prose.length],
    ['stored', zlib.deflateRawSync(prose, { level: 0 }), prose.length],
    ['our own', kernel.deflate(prose, { level: 12, window: 4096, framing: 'raw', limit: 4096 })!.slice(), prose.length],
  ];

  function plain(stream: Uint8Array, length: number): Uint8Array | null {
    try {
      const { content: read } = new PlainInflate(stream, length);
      return read.length < length ? null : Uint8Array.from(read);
    } catch {
      return null;
    }
  }

  function agree(stream: Uint8Array, length: number): boolean {
    const expected = plain(stream, length);
    const read = attemptInflate(kernel, stream, length, 'raw');
    return expected === null ? read === null : same(read, expected);
  }

  for (const [name, stream, length] of streams) {
    it(`${name}: every prefix`, () => {
      for (let end = 0; end <= stream.length; end++) {
        expect(agree(stream.subarray(0, end), length), `${end} bytes`).toBe(true);
      }
    });

    it(`${name}: every flipped bit`, () => {
      for (let bit = 0; bit < stream.length * 8; bit++) {
        const damaged = stream.slice();
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        expect(agree(damaged, length), `bit ${bit}`).toBe(true);
      }
    });
  }

  it('noise', () => {
    const random = new Random(7);
    for (let round = 0; round < 3000; round++) {
      const noise = random.bytes(1 + random.below(200));
      // Most noise begins with a reserved type; make it a kind of block.
      noise[0] = (noise[0]! & 0xf8) | (random.below(3) << 1);
      expect(agree(noise, 1 + random.below(600)), `round ${round}`).toBe(true);
    }
  });
});

describe('zlib framing', () => {
  const bytes = text(new Random(8), 4000);
  const packed = zlib.deflateSync(bytes);
  const refuse = (change: (stream: Uint8Array) => void, length = bytes.length) => {
    const stream = new Uint8Array(packed);
    change(stream);
    expect(attemptInflate(kernel, stream, length, 'zlib')).toBeNull();
  };

  it('checks header, checksum and size', () => {
    expect(same(attemptInflate(kernel, packed, bytes.length, 'zlib'), bytes)).toBe(true);
    refuse((stream) => stream.set([0x79, 0x9b])); // method 9
    refuse((stream) => stream.set([0x88, 0x1c])); // a window of 64 KiB
    refuse((stream) => stream.set([0x78, 0xbb])); // with dictionary
    refuse((stream) => stream.set([0x78, 0x9d])); // no multiple of 31
    refuse((stream) => stream.set([stream.at(-1)! ^ 1], stream.length - 1));
    refuse(() => {}, bytes.length - 1);
    refuse(() => {}, bytes.length + 1);
    for (const end of [0, 1, 2, packed.length - 1, packed.length - 4]) {
      expect(attemptInflate(kernel, packed.subarray(0, end), bytes.length, 'zlib')).toBeNull();
    }
  });
});
