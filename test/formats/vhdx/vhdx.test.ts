/** VHDX images against qemu-img, in both directions. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, statSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { builtCli } from '../../support/built-cli.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';
import { makeRaw } from '../qcow2/writing.js';

const MIB = 1024 * 1024;

describeWith(['qemu-img', 'qemu-io'], 'VHDX', () => {
  const scratch = scratchDirectory();
  const cli = builtCli();

  async function ours(...args: string[]) {
    const { code, stdout, stderr } = await cli.run(args, { cwd: scratch('') });
    return { status: code, stdout, stderr };
  }

  function theirs(...args: string[]) {
    const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8', cwd: scratch('') });
    return { status, stdout, stderr };
  }

  async function succeeds(...args: string[]): Promise<void> {
    expect(await ours(...args)).toMatchObject({ status: 0, stderr: '' });
  }

  /** The judge finds the image sound, and in it what is in the raw one. */
  function expectContent(raw: string, image: string): void {
    expect(theirs('compare', '-f', 'raw', '-F', 'vhdx', raw, image)).toMatchObject({ status: 0, stderr: '' });
    expect(theirs('check', image)).toMatchObject({ status: 0, stderr: '' });
  }

  beforeAll(() => {
    makeRaw(scratch('disk.raw'), 21 * MIB + 512, [
      { offset: 0, length: 100_000 },
      { offset: 3 * MIB - 4096, length: 9000 },
      { offset: 12 * MIB, length: 2 * MIB },
      { offset: 21 * MIB, length: 512 },
    ]);
    makeRaw(scratch('changed.raw'), 21 * MIB + 512, [
      { offset: 50_000, length: 5 * MIB },
      { offset: 19 * MIB, length: 2 * MIB },
    ]);
  });

  it.each(['block_size=1M', 'block_size=2M,log_size=3M', 'subformat=fixed', 'block_state_zero=off,block_size=1M', ''])(
    'is written, changed and read with %s',
    async (options) => {
      const line = ['convert', '-f', 'raw', '-O', 'vhdx', ...(options === '' ? [] : ['-o', options])];
      await succeeds(...line, 'disk.raw', 'ours.vhdx');
      expectContent('disk.raw', 'ours.vhdx');
      await succeeds('convert', '-n', '-f', 'raw', '-O', 'vhdx', 'changed.raw', 'ours.vhdx');
      expectContent('changed.raw', 'ours.vhdx');
      theirs(...line, 'disk.raw', 'judge.vhdx');
      await succeeds('compare', '-f', 'raw', '-F', 'vhdx', 'disk.raw', 'judge.vhdx');
      await succeeds('check', 'judge.vhdx');
      await succeeds('convert', '-n', '-f', 'raw', '-O', 'vhdx', 'changed.raw', 'judge.vhdx');
      expectContent('changed.raw', 'judge.vhdx');
    },
  );

  it('the file does not depend on how many runs are in flight, but for what is random', async () => {
    for (const [name, ...choice] of [
      ['one', '-m', '1'],
      ['many', '-m', '16', '-W'],
    ] as [string, ...string[]][])
      await succeeds('convert', ...choice, '-f', 'raw', '-O', 'vhdx', '-o', 'block_size=1M', 'disk.raw', name);
    // Headers and the disk's own id are random.
    const plain = (name: string) => readFileSync(scratch(name)).fill(0, 64 * 1024, 192 * 1024);
    const one = plain('one');
    const many = plain('many');
    const idAt = 3 * MIB + 64 * 1024 + 16;
    for (const image of [one, many]) image.fill(0, idAt, idAt + 16);
    expect(one.equals(many)).toBe(true);
  });

  it('holes are found without reading', async () => {
    qemuImg('convert', '-f', 'raw', '-O', 'vhdx', '-o', 'block_size=1M', scratch('disk.raw'), scratch('map.vhdx'));
    const { stdout } = await ours('map', '--output=json', 'map.vhdx');
    const data = JSON.parse(stdout).filter((extent: { data: boolean }) => extent.data);
    const ranges = data.map(({ start, length }: { start: number; length: number }) => [start / MIB, length / MIB]);
    expect(ranges).toEqual([
      [0, 1],
      [2, 2],
      [12, 2],
      [21, 512 / MIB],
    ]);
  });

  it.each([
    ['1G'],
    ['10000'],
    ['200G'],
    ['-o', 'log_size=1.5M,block_size=1000', '5M'],
    ['-o', 'block_size=512M', '3G'],
    ['-o', 'block_state_zero=off', '64T'],
  ])('create %s %s %s makes what qemu-img makes', async (...args) => {
    const size = args.pop()!;
    const line = ['create', '-f', 'vhdx', ...args, 'new.vhdx', size];
    const expected = theirs(...line);
    const length = statSync(scratch('new.vhdx')).size;
    const described = () => {
      const { children, 'actual-size': _, ...rest } = JSON.parse(theirs('info', '--output=json', 'new.vhdx').stdout);
      return rest;
    };
    const info = described();
    expect(await ours(...line)).toEqual(expected);
    expect(statSync(scratch('new.vhdx')).size).toBe(length);
    expect(described()).toEqual(info);
    expect(await ours('info', 'new.vhdx')).toEqual(theirs('info', 'new.vhdx'));
  });

  it.each([
    ['-o', 'log_size=0', '1M'],
    ['-o', 'log_size=4G', '1M'],
    ['-o', 'block_size=3M', '1M'],
    ['-o', 'subformat=differencing', '1M'],
    ['-b', 'base.vhdx', '1M'],
    ['65T'],
  ])('create %s %s %s is refused as by qemu-img', async (...args) => {
    const size = args.pop()!;
    const line = ['create', '-f', 'vhdx', ...args, 'x.vhdx', size];
    const outcome = await ours(...line);
    expect(outcome).toEqual(theirs(...line));
    expect(outcome.status).toBe(1);
  });

  it('parts of blocks are written in place, and new blocks read as zeros around them', async () => {
    qemuImg('create', '-q', '-f', 'vhdx', '-o', 'block_size=2M', scratch('edit.vhdx'), '8M');
    qemuIo(scratch('edit.vhdx'), 'vhdx', 'write -P 7 0 2M');
    copyFileSync(scratch('edit.vhdx'), scratch('judge.vhdx'));
    makeRaw(scratch('small.raw'), 3 * MIB, [{ offset: 2 * MIB + 4096, length: 512 }]);
    await succeeds('convert', '-n', '-f', 'raw', '-O', 'vhdx', 'small.raw', 'edit.vhdx');
    qemuImg('convert', '-n', '-f', 'raw', '-O', 'vhdx', scratch('small.raw'), scratch('judge.vhdx'));
    expect(theirs('compare', 'edit.vhdx', 'judge.vhdx')).toMatchObject({ status: 0 });
  });
});
