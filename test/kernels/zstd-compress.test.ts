/** The encoder: what it writes is read by our decoder and by the reference decoder, at every level and size. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { echoes, mixture, repeats, samples, text } from '../support/content.js';
import { describeWith } from '../support/judges.js';
import { Random } from '../support/random.js';
import { makeKernel, same } from './support.js';
import { attempt } from './zstd-support.js';

const kernel = makeKernel();
const levels = Array.from({ length: 19 }, (_, index) => index + 1);

/** What a frame may take at most: incompressible content, a header of 9 bytes, and one of 3 for each 128 KiB. */
const bound = (length: number) => length + 9 + 3 * (1 + (length >> 17));

function compress(bytes: Uint8Array, level: number, limit = bound(bytes.length)): Uint8Array | null {
  return kernel.zstdCompress(bytes, { level, limit })?.slice() ?? null;
}

/** Compresses and reads back with our decoder; returns the frame. */
function roundTrip(bytes: Uint8Array, level: number): Uint8Array {
  const packed = compress(bytes, level)!;
  const content = attempt(kernel, packed, bytes.length);
  expect(same(content, bytes), `level ${level}, ${bytes.length} bytes`).toBe(true);
  return packed;
}

/** The reference decoder takes many frames at once. */
function expectReadable(frames: Uint8Array[], contents: Uint8Array[]): void {
  const read = execFileSync('zstd', ['-d', '-q', '-c'], { input: Buffer.concat(frames), maxBuffer: 1 << 28 });
  expect(same(read, Buffer.concat(contents))).toBe(true);
}

describeWith(['zstd'], 'zstd: a word of the sequences that is exactly full', () => {
  it('is written out', () => {
    // Seven bits left over, three states of the most bits and 31 extra bits: once in many gigabytes. The fuzzer found it.
    const random = new Random(2711 * 1_000_003 + 342);
    for (const below of [3, 3, 13, 2, 19, 2, 7]) random.below(below);
    const bytes = mixture(random, 2 ** 21, 2 ** (8 + random.below(11)));
    expectReadable([roundTrip(bytes, 3)], [bytes]);
  });
});

describeWith(['zstd'], 'zstd: copies with a byte between them, at the levels that weigh every way', () => {
  // A way could get so cheap that its price fell below 0, to what stands for "no way yet": one frame of 1300 was unreadable.
  for (const [seed, length, level] of [
    [123, 16_000, 15],
    [464, 16_000, 18],
    [112, 65_536, 15],
    [16, 65_536, 19],
  ] as const) {
    it(`level ${level}, seed ${seed}`, () => {
      const bytes = echoes(new Random(seed), length);
      expectReadable([roundTrip(bytes, level)], [bytes]);
    });
  }
});

describeWith(['zstd'], 'zstd: frames are read by our decoder and by the reference decoder', () => {
  for (const [name, bytes] of samples(21)) {
    it(name, () => {
      const frames = levels.map((level) => roundTrip(bytes, level));
      expectReadable(
        frames,
        levels.map(() => bytes),
      );
    });
  }

  it('every length up to 300, and around the sizes where headers change', () => {
    const random = new Random(22);
    const around = [511, 1023, 4095, 16383, 65535, 65791, 131071, 262143].flatMap((size) => [size, size + 1, size + 2]);
    const lengths = [...Array.from({ length: 300 }, (_, length) => length), ...around];
    const contents = lengths.map((length, index) => {
      return [text, mixture, (_: Random, n: number) => repeats(random, 5, n)][index % 3]!(random, length);
    });
    expectReadable(
      contents.map((bytes, index) => roundTrip(bytes, levels[index % 19]!)),
      contents,
    );
  });

  it('clusters of 2 MiB', () => {
    const random = new Random(23);
    const contents = [mixture(random, 2 << 20), text(random, 2 << 20), repeats(random, 300_000, 2 << 20)];
    const used = [1, 2, 3, 4, 5, 9, 13];
    const frames = contents.flatMap((bytes) => used.map((level) => roundTrip(bytes, level)));
    expectReadable(
      frames,
      contents.flatMap((bytes) => used.map(() => bytes)),
    );
  });

  it('alphabets of every size, flat and steep', () => {
    const random = new Random(24);
    const contents = Array.from({ length: 256 }, (_, last) => {
      const steep = last % 2 === 0;
      return Uint8Array.from({ length: 3000 }, () => {
        const value = random.below(last + 1);
        return steep ? Math.min(value, random.below(last + 1), random.below(last + 1)) : value;
      });
    });
    // Frequencies like Fibonacci numbers ask for codes longer than 11 bits.
    const fibonacci: number[] = [];
    for (let value = 0, now = 1, next = 1; value < 22; value++, [now, next] = [next, now + next]) {
      for (let count = 0; count < now; count++) fibonacci.push(value * 11);
    }
    contents.push(Uint8Array.from(fibonacci, (_, at) => fibonacci[(at * 7919) % fibonacci.length]!));
    expectReadable(
      contents.map((bytes) => roundTrip(bytes, 1)),
      contents,
    );
  });

  it('matches of every length and distance that change a code', () => {
    const random = new Random(25);
    const contents: Uint8Array[] = [];
    for (let power = 2; power < 18; power++) {
      for (const size of [(1 << power) - 1, 1 << power, (1 << power) + 3]) {
        const head = random.bytes(size);
        contents.push(Buffer.concat([head, head]), Buffer.concat([head, random.bytes(size >> 1), head, head]));
      }
    }
    expectReadable(
      contents.map((bytes, index) => roundTrip(bytes, levels[index % 19]!)),
      contents,
    );
  });
});

describe('zstd: compression', () => {
  const bytes = mixture(new Random(26), 65_536);

  it('keeps to its limit, to the byte', () => {
    for (const level of levels) {
      const { length } = compress(bytes, level)!;
      expect(compress(bytes, level, length)).toHaveLength(length);
      for (const limit of [length - 1, length >> 1, 20, 9, 0]) expect(compress(bytes, level, limit)).toBe(null);
    }
  });

  it('writes nothing behind the limit', () => {
    const random = new Random(27);
    const { offset } = kernel.arena;
    for (const content of [bytes, random.bytes(9000), text(random, 9000), new Uint8Array(4096)]) {
      const place = new Uint8Array(kernel.memory.buffer, offset, content.length);
      place.set(content);
      const packed = kernel.zstdCompress(place, { level: 3, limit: bound(content.length) })!;
      const behind = new Uint8Array(kernel.memory.buffer, packed.byteOffset + packed.length, 64).fill(0xa5);
      kernel.zstdCompress(place, { level: 3, limit: packed.length });
      expect(behind.every((byte) => byte === 0xa5)).toBe(true);
    }
  });

  it('does not depend on what was compressed before', () => {
    for (const level of levels) {
      const used = compress(bytes, level)!;
      const fresh = makeKernel().zstdCompress(bytes, { level, limit: bytes.length })!;
      expect(same(fresh, used), `level ${level}`).toBe(true);
    }
  });

  it('does not make random bytes longer than their headers', () => {
    const noise = new Random(28).bytes(300_000);
    for (const level of levels) expect(compress(noise, level)!.length).toBeLessThanOrEqual(bound(noise.length));
  });

  it('says a run in a few bytes', () => {
    for (const level of levels) expect(compress(new Uint8Array(65_536).fill(9), level)).toHaveLength(7 + 3 + 1);
  });

  it('finds more the harder it tries', () => {
    const content = text(new Random(29), 65_536);
    const sizes = levels.map((level) => compress(content, level)!.length);
    expect(sizes[8]!).toBeLessThan(sizes[4]!);
    expect(sizes[4]!).toBeLessThan(sizes[0]!);
    expect(sizes[18]!).toBeLessThanOrEqual(sizes[8]!);
  });
});
