/** Parallels images against qemu-img, in both directions. */
import { copyFileSync, readFileSync, statSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { scratchDirectory } from '../../support/scratch.js';
import { makeRaw } from '../qcow2/writing.js';

const MIB = 1024 * 1024;

describeWith(['qemu-img'], 'Parallels', () => {
  const scratch = scratchDirectory();
  const { ours, theirs, succeeds } = bothPrograms(scratch);
  const bytesOf = (name: string) => readFileSync(scratch(name));

  function expectContent(raw: string, image: string): void {
    expect(theirs('compare', '-f', 'raw', '-F', 'parallels', raw, image)).toMatchObject({ status: 0, stderr: '' });
    expect(theirs('check', image)).toMatchObject({ status: 0, stderr: '' });
  }

  beforeAll(() => {
    makeRaw(scratch('disk.raw'), 21 * MIB + 1536, [
      { offset: 0, length: 100_000 },
      { offset: 3 * MIB - 4096, length: 9000 },
      { offset: 12 * MIB, length: 2 * MIB },
      { offset: 21 * MIB, length: 512 },
    ]);
    makeRaw(scratch('changed.raw'), 21 * MIB + 1536, [
      { offset: 50_000, length: 5 * MIB },
      { offset: 19 * MIB, length: 2 * MIB },
    ]);
  });

  it.each(['1M', '64k', '1536k', '1000k', '4k'])(
    'is written, changed and read with clusters of %s, and the file is that of qemu-img',
    async (size) => {
      const line = ['convert', '-f', 'raw', '-O', 'parallels', '-o', `cluster_size=${size}`, 'disk.raw'];
      await succeeds(...line, 'ours.hds');
      theirs(...line, 'judge.hds');
      expect(bytesOf('ours.hds').equals(bytesOf('judge.hds'))).toBe(true);
      for (const verb of ['info', 'map', 'check'])
        expect(await ours(verb, '--output=json', 'judge.hds')).toEqual(theirs(verb, '--output=json', 'judge.hds'));
      await succeeds('compare', '-f', 'raw', '-F', 'parallels', 'disk.raw', 'judge.hds');
      await succeeds('convert', '-n', '-f', 'raw', '-O', 'parallels', 'changed.raw', 'judge.hds');
      expectContent('changed.raw', 'judge.hds');
    },
  );

  it('the file does not depend on how many runs are in flight', async () => {
    const line = ['-f', 'raw', '-O', 'parallels', '-o', 'cluster_size=64k', 'disk.raw'];
    await succeeds('convert', '-m', '1', ...line, 'one.hds');
    await succeeds('convert', '-m', '16', '-W', ...line, 'many.hds');
    expect(bytesOf('one.hds').equals(bytesOf('many.hds'))).toBe(true);
  });

  it.each([
    ['0'],
    ['1000'],
    ['3G'],
    ['-o', 'cluster_size=1000', '10M'],
    ['-o', 'cluster_size=512', '100M'],
    ['-o', 'cluster_size=4M', '64T'],
  ])('create %s %s %s makes what qemu-img makes', async (...args) => {
    const size = args.pop()!;
    const line = ['create', '-f', 'parallels', ...args, 'new.hds', size];
    const expected = theirs(...line);
    copyFileSync(scratch('new.hds'), scratch('judge.hds'));
    expect(await ours(...line)).toEqual(expected);
    expect(bytesOf('new.hds').equals(bytesOf('judge.hds'))).toBe(true);
  });

  it.each([
    ['-o', 'cluster_size=0', '1M'],
    ['-o', 'cluster_size=2G', '1M'],
    ['-o', 'cluster_size=512', '2T'],
    ['-b', 'base.hds', '1M'],
  ])('create %s %s %s is refused as by qemu-img', async (...args) => {
    const size = args.pop()!;
    const line = ['create', '-f', 'parallels', ...args, 'x.hds', size];
    const outcome = await ours(...line);
    expect(outcome).toEqual(theirs(...line));
    expect(outcome.status).toBe(1);
  });

  it.each(['prealloc-mode=falloc', 'prealloc-mode=truncate,prealloc-size=1M', 'prealloc-size=0'])(
    'what %s takes too much is given back',
    async (options) => {
      await succeeds('create', '-q', '-f', 'parallels', 'ahead.hds', String(21 * MIB + 1536));
      const target = `driver=parallels,${options},file.filename=ahead.hds`;
      await succeeds('convert', '-n', '--target-image-opts', '-f', 'raw', 'disk.raw', target);
      expectContent('disk.raw', 'ahead.hds');
      expect(statSync(scratch('ahead.hds')).size).toBeLessThan(10 * MIB);
    },
  );

  it('an unknown way of growing is refused', async () => {
    await succeeds('create', '-q', '-f', 'parallels', 'mode.hds', '1M');
    const line = ['info', '--image-opts', 'driver=parallels,prealloc-mode=other,file.filename=mode.hds'];
    expect(await ours(...line)).toEqual(theirs(...line));
  });
});
