/**
 * Each field of each header, and the entries of tables, wrong in turn: an image is refused in one line or read, in a
 * bounded number of steps and of bytes.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Field, viewOf } from '../../src/bytes.js';
import { ImageError } from '../../src/errors.js';
import { parallels } from '../../src/formats/parallels/index.js';
import { HEADER as PARALLELS } from '../../src/formats/parallels/layout.js';
import { qcow } from '../../src/formats/qcow/index.js';
import { HEADER as QCOW } from '../../src/formats/qcow/layout.js';
import { qed } from '../../src/formats/qed/index.js';
import { HEADER as QED } from '../../src/formats/qed/layout.js';
import { vdi } from '../../src/formats/vdi/index.js';
import { HEADER as VDI } from '../../src/formats/vdi/layout.js';
import type { ImageDriver } from '../../src/image/driver.js';
import type { Image } from '../../src/image/image.js';
import { MemoryStore } from '../../src/storage/memory.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';
import { kernels } from './qcow2/writing.js';

const context = { kernels, openReference: () => Promise.reject(new Error('no file is named')) };

/** Bytes of a table entry, and where the entries that are damaged lie. */
interface Entries {
  size: 4 | 8;
  at: number[];
}

interface Sample {
  driver: ImageDriver;
  little: boolean;
  fields: Record<string, Field>;
  entries(image: Uint8Array): Entries;
}

const read64 = (image: Uint8Array, at: number, little: boolean) => Number(viewOf(image).getBigUint64(at, little));

/** The first entries of the L1 table at `l1`, and of the L2 table that the first one leads to. */
function twoLevels(image: Uint8Array, l1: number, little: boolean): Entries {
  const l2 = read64(image, l1, little);
  return { size: 8, at: [l1, l1 + 8, l2, l2 + 8] };
}

const samples: Sample[] = [
  {
    driver: qcow,
    little: false,
    fields: QCOW.fields,
    entries: (image) => twoLevels(image, read64(image, 40, false), false),
  },
  {
    driver: qed,
    little: true,
    fields: QED.fields,
    entries: (image) => twoLevels(image, read64(image, 40, true), true),
  },
  { driver: vdi, little: true, fields: VDI.fields, entries: () => ({ size: 4, at: [512, 516] }) },
  { driver: parallels, little: true, fields: PARALLELS.fields, entries: () => ({ size: 4, at: [64, 68] }) },
];

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
async function use(driver: ImageDriver, bytes: Uint8Array): Promise<void> {
  const image = await driver.open!(new MeteredStore('x', bytes), context);
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

  describe.each(samples)('of $driver.name', ({ driver, little, fields, entries }) => {
    const { name } = driver;
    let sound: Buffer;

    beforeAll(() => {
      const file = scratch(`sound.${name}`);
      qemuImg('create', '-q', '-f', name, file, '4M');
      qemuIo(file, name, 'write -P 1 0 1M', 'write -P 2 1M 1M', 'write -P 3 3M 512');
      sound = readFileSync(file);
    });

    /** Says what the wrong value was, if something else than a refusal comes of it. */
    async function expectBounded(at: number, length: number, what: string): Promise<number> {
      let refused = 0;
      for (const value of wrongNumbers(sound.length)) {
        const damaged = Buffer.from(sound);
        damaged.set(numberBytes(value, length, little), at);
        try {
          await use(driver, damaged);
        } catch (error) {
          if (!(error instanceof ImageError)) throw new Error(`${what} = ${value}: ${error}`, { cause: error });
          expect(error.message).toMatch(/^\S.*\S$/s);
          refused++;
        }
      }
      return refused;
    }

    it('is read while it is sound', async () => {
      await use(driver, sound);
    });

    it.each(Object.entries(fields))('with a wrong %s', async (what, field) => {
      await expectBounded(field[0], lengthOf(field), what);
    });

    it('with wrong entries of tables', async () => {
      const { size, at } = entries(sound);
      for (const offset of at) {
        const refused = await expectBounded(offset, size, `the entry at ${offset}`);
        if (offset === at.at(-1)) expect(refused).toBeGreaterThan(0);
      }
    });

    it('cut off anywhere', async () => {
      for (let length = 0; length < sound.length; length = length < 1024 ? length + 61 : Math.ceil(length * 1.3)) {
        const outcome = await use(driver, sound.subarray(0, length)).catch((error: unknown) => error);
        if (outcome !== undefined) expect(outcome).toBeInstanceOf(ImageError);
      }
    });
  });
});
