import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { mixture, repeats, samples, text } from '../support/content.js';
import { Random } from '../support/random.js';
import { PlainInflate } from './bits.js';
import { makeKernel, same } from './support.js';

const kernel = makeKernel();
const levels = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/** The stream, or null if it is longer than `limit`. */
function compress(
  bytes: Uint8Array,
  { level = 6, window = 4096, framing = 'raw' as 'raw' | 'zlib', limit = bytes.length + 100 + (bytes.length >> 10) },
): Uint8Array | null {
  return kernel.deflate(bytes, { level, window, framing, limit })?.slice() ?? null;
}

/** Compresses, and reads back with zlib and with our own inflate. */
function roundTrip(bytes: Uint8Array, level: number, window: number, framing: 'raw' | 'zlib'): void {
  const packed = compress(bytes, { level, window, framing })!;
  const label = `level ${level}, window ${window}, ${framing}`;
  const windowBits = Math.max(9, Math.log2(window));
  const read = framing === 'raw' ? zlib.inflateRawSync(packed, { windowBits }) : zlib.inflateSync(packed);
  expect(same(read, bytes), `zlib, ${label}`).toBe(true);
  const into = new Uint8Array(bytes.length);
  kernel.inflate(packed, into, framing);
  expect(same(into, bytes), `inflate, ${label}`).toBe(true);
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
    for (let window = 256; window <= 32768; window *= 2) {
      for (const level of levels) roundTrip(bytes, level, window, 'raw');
    }
  });

  it('at every length up to 600 bytes', () => {
    const bytes = mixture(new Random(7), 600);
    for (let length = 0; length <= 600; length++) {
      for (const level of [1, 6, 9, 12]) roundTrip(bytes.subarray(0, length), level, 4096, 'raw');
    }
  });

  // Passing over random data had put off the refreshing of heads until one stood at distance 0: a match with itself.
  it('random data that is passed over while positions wrap around', () => {
    for (const [seed, window] of [
      [17, 4096],
      [22, 4096],
      [4, 32768],
      [8, 32768],
    ] as const) {
      const bytes = new Random(seed).bytes(1 << 20);
      for (const level of [1, 3, 6, 9]) roundTrip(bytes, level, window, 'raw');
    }
  });

  it('units of 2 MiB, in blocks of every kind', () => {
    const random = new Random(8);
    const unit = new Uint8Array(2 << 20);
    unit.set(random.bytes(400_000), 100_000);
    unit.set(text(random, 700_000), 500_000);
    unit.set(mixture(random, 500_000), 1_300_000);
    for (const level of levels) roundTrip(unit, level, 32768, 'zlib');
  });
});

describe('codes', () => {
  // Counts from 2^18 on were sorted by their low bits alone, so the commonest byte got one of the longest codes, or none.
  it('are short for a byte that occurs more than 2^18 times in a block', () => {
    const unit = new Random(18).bytes(2 << 20).map((byte) => (byte === 2 ? 3 : byte));
    for (let at = 0; at < unit.length; at += 8) unit[at] = 2;
    for (let more = 0; more < 7000; more++) unit[4 + 8 * more] = 2;
    for (const level of [1, 6, 9]) {
      roundTrip(unit, level, 4096, 'raw');
      expect(compress(unit, { level })!.length, `level ${level}`).toBeLessThan(unit.length * 0.96);
    }
  });
});

describe('matches', () => {
  it('are never farther than the window', () => {
    const random = new Random(9);
    const bytes = Uint8Array.from([...mixture(random, 50_000), ...repeats(random, 4097, 20_000)]);
    for (const window of [256, 1000, 4096]) {
      for (const level of levels) {
        const { tokens } = new PlainInflate(compress(bytes, { level, window })!, bytes.length);
        expect(Math.max(...tokens.map((token) => token.distance))).toBeLessThanOrEqual(window);
      }
    }
  });

  it('are found up to the window, and not beyond', () => {
    const random = new Random(10);
    for (const distance of [1, 2, 3, 15, 16, 17, 255, 257, 2049, 4095, 4096, 4097]) {
      const bytes = repeats(random, distance, 100_000);
      for (const level of levels) {
        const { length } = compress(bytes, { level })!;
        // Random bytes may be passed for a while, up to 8 KiB behind the first 4 KiB.
        if (distance <= 4096) expect(length, `distance ${distance}, level ${level}`).toBeLessThan(distance + 12_000);
        else expect(length).toBeGreaterThan(98_000);
      }
    }
  });

  it('are found at any distance of a window of 32 KiB, also where positions have wrapped around', () => {
    const bytes = repeats(new Random(11), 32_768, 300_000);
    for (const level of levels) {
      const packed = compress(bytes, { level, window: 32_768 })!;
      expect(packed.length, `level ${level}`).toBeLessThan(32_768 + 12_000);
    }
  });
});

describe('blocks', () => {
  const kinds = (bytes: Uint8Array, level: number) =>
    new Set(new PlainInflate(compress(bytes, { level })!, 1e9).blocks);

  it('are stored, fixed or dynamic, whichever is smallest', () => {
    const random = new Random(12);
    for (const level of levels) {
      expect(kinds(random.bytes(60_000), level)).toEqual(new Set([0]));
      expect(kinds(Uint8Array.from([7, 99, 0, 1, 2, 3, 200, 201]), level)).toEqual(new Set([1]));
      expect(kinds(text(random, 60_000), level)).toEqual(new Set([2]));
    }
  });

  it('end where the data changes', () => {
    const random = new Random(13);
    const digits = Uint8Array.from({ length: 30_000 }, () => 48 + random.below(10));
    const other = Uint8Array.from({ length: 30_000 }, () => 128 + random.below(60));
    const both = Uint8Array.from([...digits, ...other]);
    for (const level of levels) {
      const apart = compress(digits, { level })!.length + compress(other, { level })!.length;
      expect(compress(both, { level })!.length).toBeLessThan(apart * 1.03);
    }
  });
});

describe('the limit', () => {
  const bytes = mixture(new Random(14), 65_536);

  it('is the longest stream; one byte less is too little', () => {
    for (const framing of ['raw', 'zlib'] as const) {
      for (const level of levels) {
        const { length } = compress(bytes, { level, framing })!;
        expect(compress(bytes, { level, framing, limit: length })?.length).toBe(length);
        expect(compress(bytes, { level, framing, limit: length - 1 })).toBeNull();
      }
    }
    for (const limit of [0, 1, 5, 6, 7]) expect(compress(bytes, { framing: 'zlib', limit })).toBeNull();
  });

  it('refuses what does not compress', () => {
    const random = new Random(15).bytes(65_536);
    for (const level of levels) expect(compress(random, { level, limit: 65_535 })).toBeNull();
  });
});

describe('the stream depends on nothing but the bytes and the settings', () => {
  const bytes = mixture(new Random(16), 65_536);

  it('not on what lies behind the source, nor on what was compressed before', () => {
    const { offset } = kernel.arena;
    for (const level of levels) {
      const streams = [1, 2].map((seed) => {
        new Uint8Array(kernel.memory.buffer, offset, 200_000).set(new Random(seed).bytes(200_000));
        compress(new Random(seed).bytes(100_000), { level: 13 - level, window: 32_768 });
        const place = new Uint8Array(kernel.memory.buffer, offset + seed * 333, bytes.length);
        place.set(bytes);
        return compress(place, { level })!;
      });
      expect(same(streams[0]!, streams[1]!), `level ${level}`).toBe(true);
    }
  });
});

describe('levels', () => {
  const random = new Random(17);
  const counters = Uint16Array.from({ length: 30_000 }, (_, at) => (at * 3) ^ random.below(8));
  const disk = Uint8Array.from([...text(random, 100_000), ...new Uint8Array(counters.buffer)]);
  const sizes = levels.map((level) => compress(disk, { level, window: 32_768 })!.length);

  it('get smaller, near enough', () => {
    for (let at = 1; at < sizes.length; at++) expect(sizes[at]!).toBeLessThan(sizes[at - 1]! * 1.003);
    expect(sizes.at(-1)!).toBeLessThan(sizes[0]! * 0.97);
  });

  it('the default is no larger than zlib, the highest is smaller', () => {
    for (const windowBits of [12, 15]) {
      const rival = (level: number) => zlib.deflateRawSync(disk, { level, windowBits }).length;
      const own = (level: number) => compress(disk, { level, window: 2 ** windowBits })!.length;
      expect(own(6)).toBeLessThanOrEqual(rival(6));
      expect(own(12)).toBeLessThan(rival(9) * 0.99);
    }
  });
});
