/** VHD images against qemu-img in both directions, and against libvhdi. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { scratchDirectory } from '../../support/scratch.js';
import { makeRaw } from '../qcow2/writing.js';

const MIB = 1024 * 1024;

/** Without what differs from run to run: time, identifier, and the checksum over them. */
function comparable(file: string): Buffer {
  const bytes = readFileSync(file);
  for (const at of [0, bytes.length - 512]) {
    if (bytes.subarray(at, at + 8).toString() !== 'conectix') continue;
    bytes.fill(0, at + 24, at + 28).fill(0, at + 64, at + 84);
  }
  return bytes;
}

describeWith(['qemu-img', 'vhdiinfo'], 'VHD', () => {
  const scratch = scratchDirectory();
  const { ours, theirs, succeeds } = bothPrograms(scratch);

  function expectSame(one: string, other: string): void {
    expect(comparable(scratch(one)).equals(comparable(scratch(other)))).toBe(true);
  }

  function expectContent(raw: string, image: string): void {
    expect(theirs('compare', '-f', 'raw', '-F', 'vpc', raw, image)).toMatchObject({ status: 0, stderr: '' });
  }

  beforeAll(() => {
    makeRaw(scratch('disk.raw'), 37 * MIB + 1536, [
      { offset: 0, length: 100_000 },
      { offset: 4 * MIB - 4096, length: 9000 },
      { offset: 12 * MIB, length: 5 * MIB },
      { offset: 37 * MIB, length: 512 },
    ]);
    makeRaw(scratch('changed.raw'), 37 * MIB + 1536, [
      { offset: 50_000, length: 5 * MIB },
      { offset: 19 * MIB, length: 2 * MIB },
    ]);
  });

  it.each(['subformat=dynamic', 'subformat=fixed', 'force_size=on', 'subformat=fixed,force_size=on'])(
    'is written, changed and read with %s, and the file is that of qemu-img',
    async (options) => {
      const line = ['convert', '-f', 'raw', '-O', 'vpc', '-o', options, 'disk.raw'];
      await succeeds(...line, 'ours.vpc');
      theirs(...line, 'judge.vpc');
      expectSame('ours.vpc', 'judge.vpc');
      for (const verb of ['info', 'map'])
        expect(await ours(verb, '-f', 'vpc', '--output=json', 'judge.vpc')).toEqual(
          theirs(verb, '-f', 'vpc', '--output=json', 'judge.vpc'),
        );
      await succeeds('compare', '-f', 'raw', '-F', 'vpc', 'disk.raw', 'judge.vpc');
      await succeeds('convert', '-n', '-f', 'raw', '-O', 'vpc', 'changed.raw', 'judge.vpc');
      expectContent('changed.raw', 'judge.vpc');
    },
  );

  it('another reader finds the disk, and in a changed image too', async () => {
    await succeeds('convert', '-f', 'raw', '-O', 'vpc', '-o', 'force_size=on', 'disk.raw', 'vhdi.vpc');
    await succeeds('convert', '-n', '-f', 'raw', '-O', 'vpc', 'changed.raw', 'vhdi.vpc');
    const { stdout } = spawnSync('vhdiinfo', [scratch('vhdi.vpc')], { encoding: 'utf8' });
    expect(stdout).toMatch(/Disk type\s*: Dynamic/);
    expect(stdout).toContain(`${37 * MIB + 1536} bytes`);
  });

  it('the file does not depend on how many runs are in flight', async () => {
    await succeeds('convert', '-m', '1', '-f', 'raw', '-O', 'vpc', 'disk.raw', 'one.vpc');
    await succeeds('convert', '-m', '16', '-W', '-f', 'raw', '-O', 'vpc', 'disk.raw', 'many.vpc');
    expectSame('one.vpc', 'many.vpc');
  });

  it.each([
    ['0'],
    ['512'],
    ['1000000'],
    ['127G'],
    ['2040G'],
    ['-o', 'force_size=on', '3G'],
    ['-o', 'subformat=fixed', '1M'],
    ['-o', 'subformat=fixed,force_size=on', '1M'],
  ])('create %s %s %s makes what qemu-img makes', async (...args) => {
    const size = args.pop()!;
    const line = ['create', '-f', 'vpc', ...args, 'new.vpc', size];
    const expected = theirs(...line);
    copyFileSync(scratch('new.vpc'), scratch('judge.vpc'));
    expect(await ours(...line)).toEqual(expected);
    expectSame('new.vpc', 'judge.vpc');
  });

  it.each([
    ['-o', 'subformat=foo', '1M'],
    ['-o', 'force_size=2', '1M'],
    ['-b', 'base.vpc', '1M'],
    ['2041G'],
    ['-o', 'force_size=on', '2041G'],
  ])('create %s %s %s is refused as by qemu-img', async (...args) => {
    const size = args.pop()!;
    const line = ['create', '-f', 'vpc', ...args, 'x.vpc', size];
    const outcome = await ours(...line);
    expect(outcome).toEqual(theirs(...line));
    expect(outcome.status).toBe(1);
  });

  it.each(['chs', 'current_size', 'other'])('the size is taken from what force_size_calc=%s says', async (choice) => {
    const line = ['info', '--image-opts', `driver=vpc,force_size_calc=${choice},file.filename=sized.vpc`];
    theirs('create', '-f', 'vpc', '-o', 'force_size=on', 'sized.vpc', '10000384');
    expect(await ours(...line)).toEqual(theirs(...line));
  });

  it('a fixed image is found by its footer, which is said', async () => {
    theirs('convert', '-f', 'raw', '-O', 'vpc', '-o', 'subformat=fixed,force_size=on', 'disk.raw', 'fixed.vpc');
    const { status, stderr } = await ours('compare', '-F', 'raw', 'fixed.vpc', 'disk.raw');
    expect(status).toBe(0);
    expect(stderr).toContain("'fixed.vpc' is taken for vpc by what stands at its end");
  });
});
