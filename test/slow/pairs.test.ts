/**
 * Every format into every format and back, with disks of every kind; chains; disks of terabytes.
 *
 * The quick part, one kind of disk one way, is test/pairs. `npm run test:slow`.
 */
import { readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeRaw } from '../formats/qcow2/writing.js';
import { CONTENTS, MIXED } from '../pairs/contents.js';
import { expectImage, expectPatches, sizeOf } from '../pairs/judge.js';
import { convertByUs, makeImage, nameOf, qemuImg, READ_ONLY, type Variant, WRITABLE } from '../pairs/variants.js';
import { describeWith } from '../support/judges.js';
import { qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

const MIB = 1024 * 1024;
const TIB = MIB * MIB;
const RAW = { format: 'raw', options: {} };
const MINUTES = 60_000;

const byName = (variants: readonly Variant[]) => variants.map((variant) => [variant.name, variant] as const);

describeWith(['qemu-img', 'qemu-io'], 'each format into each format and back', () => {
  const scratch = scratchDirectory();
  const disk = () => nameOf(RAW, scratch('disk'));

  const clear = () => {
    for (const file of readdirSync(scratch(''))) if (file !== 'disk') rmSync(scratch(file), { recursive: true });
  };
  afterEach(clear);

  /** Gathers what fails, so that one test tells of all pairs. */
  async function forEachTarget(
    source: Variant,
    targets: readonly Variant[],
    attempt: (target: Variant) => Promise<void>,
  ): Promise<void> {
    const failures: string[] = [];
    for (const target of targets) {
      try {
        await attempt(target);
      } catch (error) {
        failures.push(`${source.name} to ${target.name}: ${error}`);
      }
    }
    expect(failures).toEqual([]);
  }

  describe.each(CONTENTS)('a disk: $name', ({ size, write }) => {
    const fits = ({ neverEmpty = false }: Variant) => size > 0 || !neverEmpty;

    beforeAll(() => {
      write(scratch('disk'));
    });

    it.each(byName([...WRITABLE, ...READ_ONLY].filter(fits)))('%s', { timeout: 30 * MINUTES }, async (_, source) => {
      const file = await makeImage(source, scratch('disk'), scratch(''));
      const length = await sizeOf(nameOf(source, file));
      const way = READ_ONLY.some((each) => each === source) ? WRITABLE[0]! : source;
      await forEachTarget(source, WRITABLE.filter(fits), async (target) => {
        const there = scratch(`there.${target.format}`);
        await convertByUs(nameOf(source, file), target, there);
        await expectImage(target, there, disk(), length);
        const back = scratch(`back.${way.format}`);
        await convertByUs(nameOf(target, there), way, back);
        await expectImage(way, back, disk(), await sizeOf(nameOf(target, there)));
      });
    });
  });

  describe('a chain', () => {
    it.each(byName(WRITABLE.filter(({ backing }) => backing !== undefined)))(
      '%s over its backing file',
      { timeout: 30 * MINUTES },
      async (_, source) => {
        const { format, backing } = source;
        MIXED.write(scratch('content'));
        truncateSync(scratch('content'), 5 * MIB);
        const baseFormat = backing === 'own' ? format : 'raw';
        await qemuImg('convert', '-f', 'raw', '-O', baseFormat, scratch('content'), scratch(`base.${baseFormat}`));
        const layer = async (name: string, below: string, belowFormat: string, size: string[], writes: string[]) => {
          const file = scratch(`${name}.${format}`);
          await qemuImg('create', '-q', '-f', format, '-b', below, '-F', belowFormat, file, ...size);
          qemuIo(file, format, ...writes);
        };
        // VMDKs are as long as what they are based on
        const longer = backing === 'own' ? [] : ['7M'];
        await layer('middle', `base.${baseFormat}`, baseFormat, [], ['write -P 1 1M 300k', 'write -P 2 4M 64k']);
        await layer('top', `middle.${format}`, format, longer, ['write -P 3 1100k 4k', 'write -z 2M 512k']);
        const top = nameOf({ format, options: {} }, scratch(`top.${format}`));
        await qemuImg('convert', '-O', 'raw', top, scratch('disk'));
        const { size } = statSync(scratch('disk'));
        await forEachTarget(source, WRITABLE, async (target) => {
          const there = scratch(`there.${target.format}`);
          await convertByUs(top, target, there);
          await expectImage(target, there, disk(), size);
          const canBeBased = target.backing === 'any' || (target.backing === 'own' && target.format === format);
          if (!canBeBased) return;
          rmSync(there);
          const over = { file: `middle.${format}`, format };
          await convertByUs(top, { ...target, compress: false }, there, { backing: over });
          await expectImage(target, there, disk(), size);
        });
      },
    );
  });

  describe('a vast disk', () => {
    const LIMITS = [...new Set(WRITABLE.map(({ most = 3 * TIB + 5 * MIB + 512 }) => most))];

    describe.each(LIMITS.map((size) => ({ size })))('of $size bytes', ({ size }) => {
      const patches = [
        { offset: 0, length: 4096 },
        { offset: 2 ** 32 - 512, length: 1024 },
        { offset: size / 2 - 65536 - ((size / 2) % 512), length: 200 * 512 },
        { offset: size - 66_048, length: 66_048 },
      ];
      const fits = ({ most = 4 * TIB, isFull = false }: Variant) => size <= most && !isFull;

      beforeAll(() => {
        rmSync(scratch('disk'), { force: true });
        makeRaw(scratch('disk'), size, patches);
      });

      it.each(byName(WRITABLE.filter(fits)))('%s', { timeout: 30 * MINUTES }, async (_, source) => {
        const file = await makeImage(source, scratch('disk'), scratch(''));
        const length = await sizeOf(nameOf(source, file));
        await forEachTarget(source, WRITABLE.filter(fits), async (target) => {
          const there = scratch(`there.${target.format}`);
          await convertByUs(nameOf(source, file), target, there);
          if (target.isOpaque === true) await expectPatches(target, there, scratch('disk'), length, patches);
          else await expectImage(target, there, disk(), length);
          for (const name of readdirSync(scratch(''))) if (name.startsWith('there')) rmSync(scratch(name));
        });
      });
    });
  });
});
