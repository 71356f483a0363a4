/**
 * Every format into every format: a disk that qemu-img has written is converted by us, and judged by qemu-img.
 *
 * Once each, a small disk with something of everything. All the other kinds of disks, and the way back: `npm run test:slow`.
 */
import { beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/judges.js';
import { scratchDirectory } from '../support/scratch.js';
import { MIXED } from './contents.js';
import { expectImage, sizeOf } from './judge.js';
import { convertByUs, makeImage, nameOf, READ_ONLY, WRITABLE } from './variants.js';

describeWith(['qemu-img'], 'each format into each format', () => {
  const scratch = scratchDirectory();
  const raw = { format: 'raw', options: {} };

  beforeAll(() => MIXED.write(scratch('disk')));

  it.each([...WRITABLE, ...READ_ONLY].map((variant) => [variant.name, variant] as const))('%s', async (_, source) => {
    const file = await makeImage(source, scratch('disk'), scratch(''));
    const name = nameOf(source, file);
    const size = await sizeOf(name);
    const failures: string[] = [];
    for (const target of WRITABLE) {
      const made = scratch(`${source.name}-to-${target.name}.${target.format}`.replaceAll(' ', '-'));
      try {
        await convertByUs(name, target, made);
        await expectImage(target, made, nameOf(raw, scratch('disk')), size);
      } catch (error) {
        failures.push(`${source.name} to ${target.name}: ${error}`);
      }
    }
    expect(failures).toEqual([]);
  });
});
