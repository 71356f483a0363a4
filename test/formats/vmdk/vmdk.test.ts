/** VMDK images against qemu-img in both directions, and against libvmdk. */
import { beforeAll, expect, it } from 'vitest';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { scratchDirectory } from '../../support/scratch.js';
import { makeRaw } from '../qcow2/writing.js';

const MIB = 1024 * 1024;

const SUBFORMATS = [
  'monolithicSparse',
  'monolithicFlat',
  'twoGbMaxExtentSparse',
  'twoGbMaxExtentFlat',
  'streamOptimized',
] as const;

describeWith(['qemu-img'], 'VMDK', () => {
  const scratch = scratchDirectory();
  const { ours, theirs, succeeds } = bothPrograms(scratch);

  beforeAll(() => {
    // the last extent of split disks has two sectors
    makeRaw(scratch('disk.raw'), 2048 * MIB + 1024, [
      { offset: 0, length: 100_000 },
      { offset: 4 * MIB - 4096, length: 9000 },
      { offset: 12 * MIB, length: MIB },
      { offset: 2047 * MIB, length: MIB + 1024 },
    ]);
  });

  it.each(SUBFORMATS)('%s of qemu-img is read, and told of with its words', async (subformat) => {
    const image = `their-${subformat}.vmdk`;
    theirs('convert', '-f', 'raw', '-O', 'vmdk', '-o', `subformat=${subformat}`, 'disk.raw', image);
    for (const line of [
      ['info', image],
      ['info', '--output=json', image],
      ['map', '--output=json', image],
    ])
      expect(await ours(...line)).toEqual(theirs(...line));
    await succeeds('compare', '-f', 'raw', '-F', 'vmdk', 'disk.raw', image);
  });

  it.each(SUBFORMATS)('%s is written, and qemu-img finds the same disk', async (subformat) => {
    const image = `our-${subformat}.vmdk`;
    await succeeds('convert', '-f', 'raw', '-O', 'vmdk', '-o', `subformat=${subformat}`, 'disk.raw', image);
    expect(theirs('compare', '-f', 'raw', '-F', 'vmdk', 'disk.raw', image)).toMatchObject({ status: 0, stderr: '' });
    expect(theirs('check', image)).toMatchObject({ status: 0 });
  });
});
