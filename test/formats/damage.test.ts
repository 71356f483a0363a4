/**
 * Each field of each header, and the entries of tables, wrong in turn: an image is refused in one line or read, in a
 * bounded number of steps and of bytes. What is refused is not converted, and leaves no target.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Field } from '../../src/bytes.js';
import { ImageError } from '../../src/errors.js';
import type { DriverContext } from '../../src/image/driver.js';
import type { Image } from '../../src/image/image.js';
import { nodeCryptography } from '../../src/platform/node/cryptography.js';
import { convert } from '../../src/platform/node/index.js';
import { MemoryStore } from '../../src/storage/memory.js';
import { describeWith } from '../support/judges.js';
import { scratchDirectory } from '../support/scratch.js';
import { SAMPLES, type Sample, SECRETS, soundImage } from './damage-samples.js';
import { kernels } from './qcow2/writing.js';

const secrets = new Map(Object.entries(SECRETS).map(([id, text]) => [id, new TextEncoder().encode(text)]));

function contextOf({ runtimeOptions = {} }: Sample): DriverContext {
  return {
    kernels,
    openReference: () => Promise.reject(new Error('no file is named')),
    encryption: { crypto: nodeCryptography, secrets, content: true },
    runtimeOptions,
  };
}

/** Counts what is read, and fails where that is more than a sound image could take. */
class MeteredStore extends MemoryStore {
  bytesRead = 0;

  override read(offset: number, into: Uint8Array): void {
    this.bytesRead += into.length;
    if (this.bytesRead > 64 * 2 ** 20) throw new Error('it reads without end');
    super.read(offset, into);
  }
}

const MOST_STEPS = 2000;
/** Bytes at each end of the disk: all of the sound one. */
const READ = 4 * 1024 * 1024;

/** Opens an image, walks its extents, reads its beginning and its end. */
async function use(sample: Sample, bytes: Uint8Array): Promise<void> {
  const image = await sample.driver.open!(new MeteredStore('x', bytes), contextOf(sample));
  if (image.unreadable !== null) throw image.unreadable;
  await walk(image);
  const into = new Uint8Array(Math.min(READ, image.size));
  for (const offset of [0, image.size - into.length]) await image.read(offset, into);
}

async function walk(image: Image): Promise<void> {
  let at = 0;
  for (let step = 0; at < image.size && step < MOST_STEPS; step++) {
    const extents = await image.extents(at, image.size - at);
    expect(extents.length).toBeGreaterThan(0);
    for (const { start, length } of extents) {
      expect(start).toBe(at);
      expect(length).toBeGreaterThan(0);
      at += length;
    }
    expect(at).toBeLessThanOrEqual(image.size);
  }
}

function lengthOf([, type]: Field): number {
  if (typeof type !== 'string') return type.bytes;
  return { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, bits64: 8 }[type];
}

/** Bytes that stand for a number, the highest ones cut off. */
function numberBytes(value: bigint, length: number, little: boolean): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, index) =>
    index < 8 ? Number((value >> BigInt(8 * index)) & 255n) : 0,
  );
  return little ? bytes : bytes.reverse();
}

/** Zero, one, the largest, and what is near the beginning, the end and far behind it, in bytes, sectors and exponents. */
function wrongNumbers(fileSize: number): bigint[] {
  const size = BigInt(fileSize);
  const powers = [9n, 16n, 20n, 31n, 32n, 40n, 52n, 53n, 61n, 63n].map((power) => 1n << power);
  return [
    0n,
    1n,
    2n,
    3n,
    63n,
    64n,
    255n,
    511n,
    size - 512n,
    size,
    size + 512n,
    size / 512n,
    ...powers,
    (1n << 64n) - 1n,
  ];
}

describeWith(['qemu-img', 'qemu-io'], 'damaged images', () => {
  const scratch = scratchDirectory();

  describe.each(SAMPLES.map((sample) => [sample.driver.name, sample] as const))('of %s', (name, sample) => {
    const { structures, entries, seal, isTooSlow = () => false } = sample;
    let sound: Buffer;

    beforeAll(() => {
      sound = soundImage(sample, scratch(`sound.${name}`));
    });

    /** What is refused is refused by a conversion too, one that would otherwise take long is given up. */
    async function expectNoTarget(damaged: Uint8Array): Promise<void> {
      const file = scratch(`damaged.${name}`);
      const target = scratch(`target.${name}`);
      writeFileSync(file, damaged);
      const options = { driver: name, ...sample.runtimeOptions, file: { driver: 'file', filename: file } };
      const signal = AbortSignal.timeout(2000);
      const request = { format: 'raw', workers: 0, secrets: SECRETS, signal };
      await expect(convert(`json:${JSON.stringify(options)}`, target, request)).rejects.toThrow(ImageError);
      expect(existsSync(target)).toBe(false);
    }

    /** Says what the wrong value was, if something else than a refusal comes of it. */
    async function expectBounded(at: number, length: number, little: boolean, what: string): Promise<number> {
      let refused = 0;
      for (const value of wrongNumbers(sound.length).filter((each) => !isTooSlow(each))) {
        const damaged = Buffer.from(sound);
        damaged.set(numberBytes(value, length, little), at);
        seal?.(damaged);
        try {
          await use(sample, damaged);
        } catch (error) {
          if (!(error instanceof ImageError)) throw new Error(`${what} = ${value}: ${error}`, { cause: error });
          expect(error.message).toMatch(/^\S.*\S$/s);
          await expectNoTarget(damaged);
          refused++;
        }
      }
      return refused;
    }

    it('is read while it is sound', async () => {
      await use(sample, sound);
    });

    describe.each(Object.entries(structures))('in its %s', (_, { little, fields, at }) => {
      it.each(Object.entries(fields))('with a wrong %s', async (what, field) => {
        await expectBounded(at(sound) + field[0], lengthOf(field), little, what);
      });
    });

    it('with wrong entries of tables', async () => {
      const { little, size, at } = entries(sound);
      for (const offset of at) {
        const refused = await expectBounded(offset, size, little, `the entry at ${offset}`);
        if (offset === at.at(-1)) expect(refused).toBeGreaterThan(0);
      }
    });

    it('cut off anywhere', async () => {
      for (let length = 0; length < sound.length; length = length < 1024 ? length + 61 : Math.ceil(length * 1.3)) {
        const damaged = sound.subarray(0, length);
        const outcome = await use(sample, damaged).catch((error: unknown) => error);
        if (outcome === undefined) continue;
        expect(outcome).toBeInstanceOf(ImageError);
        await expectNoTarget(damaged);
      }
    });
  });
});
