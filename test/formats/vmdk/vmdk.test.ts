/** VMDK images against qemu-img in both directions, and against libvmdk. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
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

const OPTIONS = ['', ',adapter_type=lsilogic,hwversion=9,toolsversion=7', ',compat6=on'];

/** A file's beginning without the CID and the zeros behind the descriptor, and what follows. */
function comparable(file: string): string[] {
  const text = readFileSync(file)
    .toString('latin1')
    .replace(/\nCID=[0-9a-f]+\n/, '\nCID=\n');
  return text.startsWith('KDMV')
    ? [text.slice(0, 512), ...text.slice(512).split(/\0{64,}/)]
    : [text.replace(/toolsVersion = "(\d+)"\n[\s\S]*$/, 'toolsVersion = "$1"\n')];
}

/** Where two files come apart, with a little of what they have there; null: nowhere. */
function firstDifference(ours: string[], theirs: string[]): object | null {
  const part = ours.findIndex((text, index) => text !== theirs[index]);
  if (part < 0 && ours.length === theirs.length) return null;
  const [one = '', other = ''] = [ours[part], theirs[part]];
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  const around = (text: string) => text.slice(Math.max(0, at - 16), at + 32);
  return { parts: [ours.length, theirs.length], part, at, ours: around(one), theirs: around(other) };
}

describeWith(['qemu-img', 'qemu-io', 'vmdkinfo'], 'VMDK', () => {
  const scratch = scratchDirectory();
  const { ours, theirs, succeeds } = bothPrograms(scratch);

  function expectContent(raw: string, image: string): void {
    expect(theirs('compare', '-f', 'raw', '-F', 'vmdk', raw, image)).toMatchObject({ status: 0, stderr: '' });
    expect(theirs('check', image)).toMatchObject({ status: 0 });
  }

  /** The same file names, and but for the CID the same files, up to those of two gigabytes. */
  function expectSame(one: string, other: string): void {
    const names = readdirSync(scratch(other)).sort();
    expect(readdirSync(scratch(one)).sort()).toEqual(names);
    for (const name of names) {
      if (/-(f\d+|flat)\./.test(name)) continue;
      expect(
        firstDifference(comparable(scratch(`${one}/${name}`)), comparable(scratch(`${other}/${name}`))),
      ).toBeNull();
    }
  }

  beforeAll(() => {
    // the last extent of split disks has two sectors
    makeRaw(scratch('disk.raw'), 2048 * MIB + 1024, [
      { offset: 0, length: 100_000 },
      { offset: 4 * MIB - 4096, length: 9000 },
      { offset: 12 * MIB, length: MIB },
      { offset: 2047 * MIB, length: MIB + 1024 },
    ]);
    makeRaw(scratch('changed.raw'), 2048 * MIB + 1024, [
      { offset: 50_000, length: MIB },
      { offset: 12 * MIB + 7000, length: 100_000 },
      { offset: 2048 * MIB - 5000, length: 5512 },
    ]);
  });

  it.each(SUBFORMATS)('%s of qemu-img is read, and told of with its words', async (subformat) => {
    const image = `their-${subformat}.vmdk`;
    theirs('convert', '-f', 'raw', '-O', 'vmdk', '-o', `subformat=${subformat}`, 'disk.raw', image);
    for (const line of [
      ['info', image],
      ['info', '--output=json', image],
      ['map', '--output=json', image],
      ['check', image],
      ['check', '-r', 'all', image],
    ])
      expect(await ours(...line)).toEqual(theirs(...line));
    await succeeds('compare', '-f', 'raw', '-F', 'vmdk', 'disk.raw', image);
  });

  it.each(SUBFORMATS)('%s is made like that of qemu-img, empty and filled', async (subformat) => {
    for (const [index, more] of OPTIONS.entries()) {
      const [one, other] = [`ours-${subformat}-${index}`, `theirs-${subformat}-${index}`];
      for (const directory of [one, other]) mkdirSync(scratch(directory));
      const options = ['-o', `subformat=${subformat}${more}`];
      const create = (directory: string) => ['create', '-q', '-f', 'vmdk', ...options, `${directory}/a.vmdk`, '3G'];
      await succeeds(...create(one));
      expect(theirs(...create(other))).toMatchObject({ status: 0, stderr: '' });
      const convert = ['convert', '-f', 'raw', '-O', 'vmdk', ...options, 'disk.raw'];
      await succeeds(...convert, `${one}/b.vmdk`);
      expectContent('disk.raw', `${one}/b.vmdk`);
      if (subformat !== 'streamOptimized')
        expect(theirs(...convert, `${other}/b.vmdk`)).toMatchObject({ status: 0, stderr: '' });
      else copyFileSync(scratch(`${one}/b.vmdk`), scratch(`${other}/b.vmdk`));
      expectSame(one, other);
    }
  });

  it.each(SUBFORMATS)('%s: another reader finds the disk', async (subformat) => {
    const image = `lib-${subformat}.vmdk`;
    await succeeds('convert', '-f', 'raw', '-O', 'vmdk', '-o', `subformat=${subformat}`, 'disk.raw', image);
    const { stdout } = spawnSync('vmdkinfo', [scratch(image)], { encoding: 'utf8' });
    expect(stdout).toContain(`${2048 * MIB + 1024} bytes`);
  });

  it.each([...SUBFORMATS.slice(0, 4), 'monolithicSparse,zeroed_grain=on'])(
    '%s is changed in place',
    async (subformat) => {
      const image = `edit-${subformat}.vmdk`.replace(',', '-');
      theirs('convert', '-f', 'raw', '-O', 'vmdk', '-o', `subformat=${subformat}`, 'disk.raw', image);
      const cid = () => JSON.parse(theirs('info', '--output=json', image).stdout)['format-specific'].data.cid;
      const before = cid();
      await succeeds('convert', '-n', '-f', 'raw', '-O', 'vmdk', 'changed.raw', image);
      expectContent('changed.raw', image);
      expect(cid()).not.toBe(before);
    },
  );

  it('streams do not depend on how many runs are in flight, and hold what cannot be compressed', async () => {
    const files = [];
    for (const [directory, ...how] of [
      ['one', '-m', '1'],
      ['many', '-m', '16', '-W'],
    ]) {
      mkdirSync(scratch(directory!));
      const line = ['convert', ...how, '--reproducible', '-O', 'vmdk', '-o', 'subformat=streamOptimized', 'disk.raw'];
      await succeeds(...line, `${directory}/x.vmdk`);
      files.push(readFileSync(scratch(`${directory}/x.vmdk`)));
    }
    const bytes = files[0]!;
    expect(Buffer.compare(bytes, files[1]!)).toBe(0);
    const types = [3, 2, 1].map((sectors) => bytes.readUInt32LE(bytes.length - sectors * 512 + 12));
    expect(types.filter((_, at) => at !== 1)).toEqual([3, 0]);
    expect(bytes.readBigUInt64LE(56)).toBe(0xffff_ffff_ffff_ffffn);
    expect([bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(64)]).toEqual([3, 0x30001, 128]);
  });

  it.each(SUBFORMATS)('%s of no bytes', async (subformat) => {
    const image = `empty-${subformat}.vmdk`;
    await succeeds('create', '-q', '-f', 'vmdk', '-o', `subformat=${subformat}`, image, '0');
    expect(JSON.parse(await succeeds('info', '--output=json', image))['virtual-size']).toBe(0);
    await succeeds('convert', '-f', 'vmdk', '-O', 'vmdk', '-o', `subformat=${subformat}`, image, `again-${image}`);
    await succeeds('convert', '-O', 'raw', `again-${image}`, 'empty.raw');
    expect(readFileSync(scratch('empty.raw')).length).toBe(0);
  });

  it.each([
    ['adapter_type=foo'],
    ['subformat=foo'],
    ['compat6=on,hwversion=3'],
    ['subformat=monolithicFlat,zeroed_grain=on'],
    ['subformat=monolithicFlat,backing_file=base.vmdk,backing_fmt=vmdk'],
    ['backing_file=disk.raw,backing_fmt=raw'],
    ['help'],
  ])('-o %s is answered as by qemu-img', async (options) => {
    theirs('create', '-q', '-f', 'vmdk', 'base.vmdk', '1M');
    const line = ['create', '-f', 'vmdk', '-o', options, 'refused.vmdk', '1M'];
    expect(await ours(...line)).toEqual(theirs(...line));
  });

  it('a backing file that was changed is not read through', async () => {
    const io = (image: string, command: string) => spawnSync('qemu-io', ['-f', 'vmdk', '-c', command, scratch(image)]);
    await succeeds('create', '-q', '-f', 'vmdk', 'lower.vmdk', '10M');
    io('lower.vmdk', 'write -P 1 0 1M');
    await succeeds('create', '-q', '-f', 'vmdk', '-b', 'lower.vmdk', '-F', 'vmdk', 'upper.vmdk');
    io('upper.vmdk', 'write -P 2 70000 1000');
    expect(theirs('info', 'upper.vmdk')).toEqual(await ours('info', 'upper.vmdk'));
    await succeeds('convert', '-O', 'raw', 'upper.vmdk', 'chain.raw');
    expectContent('chain.raw', 'upper.vmdk');
    await succeeds('commit', '-q', 'upper.vmdk');
    expectContent('chain.raw', 'lower.vmdk');
    const line = ['convert', '-O', 'raw', 'upper.vmdk', 'broken.raw'];
    expect(await ours(...line)).toEqual({
      ...theirs(...line),
      stderr: 'qemu-img: error while reading at byte 0: Invalid argument\n',
    });
  });

  it('a grain behind the end of the file is found', async () => {
    theirs('convert', '-f', 'raw', '-O', 'vmdk', 'changed.raw', 'cut.vmdk');
    const { size } = statSync(scratch('cut.vmdk'));
    spawnSync('truncate', ['-s', String(size - 3 * 65536), scratch('cut.vmdk')]);
    expect(await ours('check', 'cut.vmdk')).toEqual(theirs('check', 'cut.vmdk'));
  });
});
