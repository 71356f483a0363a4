import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { builtCli } from '../support/built-cli.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

describeWith(['qemu-img', 'qemu-io'], 'check and compare answer as qemu-img does', () => {
  const scratch = scratchDirectory();
  const cli = builtCli();

  /** Everything that a caller sees. */
  async function ours(args: string[]) {
    const { code, stdout, stderr } = await cli.run(args, { cwd: scratch('') });
    return { status: code, stdout, stderr };
  }

  function theirs(args: string[]) {
    const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8', cwd: scratch('') });
    return { status, stdout, stderr };
  }

  async function expectSame(...args: string[]): Promise<void> {
    expect(await ours(args)).toEqual(theirs(args));
  }

  beforeAll(() => {
    qemuImg('create', '-q', '-f', 'qcow2', scratch('a.qcow2'), '8M');
    qemuIo(scratch('a.qcow2'), 'qcow2', 'write -P 1 0 64k', 'write -P 0 1M 64k');
    copyFileSync(scratch('a.qcow2'), scratch('b.qcow2'));
    qemuIo(scratch('b.qcow2'), 'qcow2', 'write -P 2 1030k 1k');
    qemuImg('convert', '-O', 'raw', scratch('b.qcow2'), scratch('b.raw'));
    qemuImg('create', '-q', '-f', 'qcow2', scratch('empty.qcow2'), '16M');
  });

  it.each([
    ['a.qcow2', 'a.qcow2'],
    ['a.qcow2', 'b.qcow2'],
    ['b.qcow2', 'b.raw'],
    ['a.qcow2', 'b.raw'],
    ['a.qcow2', 'empty.qcow2'],
    ['-s', 'a.qcow2', 'empty.qcow2'],
    ['-s', 'a.qcow2', 'b.raw'],
    ['-q', 'a.qcow2', 'b.qcow2'],
    ['a.qcow2', 'missing'],
  ])('compare -U %j', (...args) => expectSame('compare', '-U', ...args));

  /** Bytes written over the image, at an offset, and what that breaks. */
  const damages: [what: string, offset: number, bytes: number[]][] = [
    ['nothing', 0, [0x51]],
    ['the refcount of the header, 0', 0x20000, [0, 0]],
    ['the refcount of a free cluster, 1: a leak', 0x20000 + 2 * 7, [0, 1]],
    ['an L1 entry without its COPIED flag', 0x30000, [0]],
    ['an L1 entry that points beyond the file', 0x30000 + 4, [0x7f]],
  ];

  it.each(damages)('check of an image with %s damaged, and its repair', async (_, offset, bytes) => {
    const image = readFileSync(scratch('a.qcow2'));
    image.set(bytes, offset);
    const damage = () => writeFileSync(scratch('damaged.qcow2'), image);
    damage();
    await expectSame('check', 'damaged.qcow2');
    await expectSame('check', '--output=json', 'damaged.qcow2');
    const repaired = await ours(['check', '-r', 'all', 'damaged.qcow2']);
    const verdict = theirs(['check', 'damaged.qcow2']);
    damage();
    expect(repaired).toEqual(theirs(['check', '-r', 'all', 'damaged.qcow2']));
    expect(verdict).toEqual(theirs(['check', 'damaged.qcow2']));
  });

  it('check of raw: there is nothing to check', () => expectSame('check', '-f', 'raw', 'b.raw'));

  // More findings than a pipe holds, for a reader that takes its time, and the result behind them in the same pipe.
  it('tells the result behind all findings', () => {
    const image = scratch('leaks.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', image, '1G');
    const bytes = Buffer.concat([readFileSync(image), Buffer.alloc(400 * 1024 * 1024 - readFileSync(image).length)]);
    const block = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(48))));
    for (let cluster = 10; cluster < 6000; cluster++) bytes.writeUInt16BE(1, block + 2 * cluster);
    writeFileSync(image, bytes);
    const read = (program: string) =>
      spawnSync('sh', ['-c', `${program} check '${image}' 2>&1 | (sleep 0.5; cat)`], { encoding: 'utf8' }).stdout;
    expect(read(`'${process.execPath}' '${cli.path}'`) === read('qemu-img')).toBe(true);
  });
});
