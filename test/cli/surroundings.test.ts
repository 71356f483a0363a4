/** What the program is given beside its command line: names that lead nowhere, little memory, no directory. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { bothPrograms } from '../support/both-programs.js';
import { builtCli } from '../support/built-cli.js';
import { qemuImg } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

const LONG_NAME = 'n'.repeat(256);
/** Kilobytes of address space: enough for Node, not for a memory of WebAssembly. */
const LITTLE_MEMORY = 4_000_000;

describe('a program in odd surroundings', () => {
  const scratch = scratchDirectory();
  const { ours, theirs } = bothPrograms(scratch);
  const cli = builtCli();

  beforeAll(() => {
    writeFileSync(scratch('disk.raw'), Buffer.alloc(1024 * 1024, 7));
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', scratch('disk.raw'), scratch('disk.qcow2'));
    symlinkSync('loop', scratch('loop'));
    writeFileSync(scratch('short.qcow2'), readFileSync(scratch('disk.qcow2')).subarray(0, 50));
  });

  it.each([
    ['info', 'disk.raw/x'],
    ['info', 'loop'],
    ['info', LONG_NAME],
    ['convert', '-O', 'raw', 'disk.raw/x', 'made'],
    ['convert', '-O', 'raw', 'short.qcow2', 'made'],
    ['info', '--image-opts', 'driver=qcow2,file.filename=disk.qcow2,discard=maybe'],
    ['info', '--image-opts', 'driver=qcow2,file.filename=disk.qcow2,detect-zeroes=maybe'],
    ['info', '--image-opts', 'driver=qcow2,file.filename=disk.qcow2,detect-zeroes=unmap'],
    ['info', '--image-opts', 'driver=qcow2,file.filename=disk.qcow2,auto-read-only=maybe'],
  ])('%s %s: the words of qemu-img', async (...args) => {
    expect(await ours(...args)).toEqual(theirs(...args));
  });

  it('takes what tells QEMU how to treat requests', async () => {
    const tuning = 'cache-size=1M,refcount-cache-size=1M,cache-clean-interval=0,lazy-refcounts=on,overlap-check=all';
    const hints = `discard=unmap,detect-zeroes=unmap,auto-read-only=on,${tuning},pass-discard-request=on`;
    const source = `driver=qcow2,file.driver=file,file.filename=disk.qcow2,${hints}`;
    expect((await ours('convert', '--image-opts', '-O', 'raw', source, 'hinted.raw')).status).toBe(0);
    expect(readFileSync(scratch('hinted.raw')).equals(readFileSync(scratch('disk.raw')))).toBe(true);
    expect(theirs('info', '--image-opts', source).status).toBe(0);
  });

  it.each(['host_device', 'nbd'])('%s as a format is a place that must be there', async (format) => {
    const [mine, judged] = [await ours(...create(format)), theirs(...create(format))];
    expect(mine.status).toBe(judged.status);
    const words = 'does not support creating new images, so an existing image must be selected as the target';
    for (const { stderr } of [mine, judged]) expect(stderr).toContain(`Protocol driver '${format}' ${words}`);
    expect(existsSync(scratch('nowhere'))).toBe(false);
    expect((await ours('create', '-f', format, '-o', 'help')).status).toBe(0);
  });

  const create = (format: string) => ['create', '-q', '-f', format, 'nowhere', '1M'];

  it.each(['convert -O qcow2 disk.raw made', 'dd -O raw if=disk.raw of=made', 'commit over.qcow2'])(
    'without memory %s fails, and says so',
    async (command) => {
      qemuImg('create', '-q', '-f', 'qcow2', '-b', scratch('disk.qcow2'), '-F', 'qcow2', scratch('over.qcow2'));
      spawnSync('qemu-io', ['-f', 'qcow2', '-c', 'write -P 3 0 64k', scratch('over.qcow2')]);
      const wrapper = ['sh', '-c', `ulimit -v ${LITTLE_MEMORY} && exec "$@"`, 'sh'];
      const outcome = await cli.run(command.split(' '), { cwd: scratch(''), wrapper });
      expect(outcome.code).toBe(1);
      expect(outcome.stderr).toContain('Cannot allocate memory');
      expect(existsSync(scratch('made'))).toBe(false);
    },
  );

  it('refuses names that are not UTF-8: they would become another name', async () => {
    const before = readdirSync(scratch(''));
    const wrapper = ['sh', '-c', 'exec "$@" "$(printf "x\\351")" 1M', 'sh'];
    const outcome = await cli.run(['create', '-f', 'raw'], { cwd: scratch(''), wrapper });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toContain('not UTF-8');
    expect(readdirSync(scratch(''))).toEqual(before);
    expect((await ours('create', '-q', '-f', 'raw', 'x\ufffd', '1M')).status).toBe(0);
  });

  it('in a directory that is gone, knows no relative names', async () => {
    mkdirSync(scratch('gone'));
    const wrapper = ['sh', '-c', 'cd gone && rmdir ../gone && exec "$@"', 'sh'];
    const run = (...args: string[]) => cli.run(args, { cwd: scratch(''), wrapper });
    const outcome = await run('info', '../disk.qcow2');
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/^qemu-img: Could not open '[^\n]*No such file or directory\n$/);
    mkdirSync(scratch('gone'));
    expect((await run('info', scratch('disk.qcow2'))).code).toBe(0);
  });

  it.each(['constructor', 'toString'])('%s is no format', async (format) => {
    expect(await ours(...create(format))).toEqual(theirs(...create(format)));
  });

  it('tells scripts its version and formats as qemu-img does', async () => {
    const version = /^qemu-img version 10\.0\.\d+ \(/;
    expect((await ours('--version')).stdout).toMatch(version);
    expect(theirs('--version').stdout).toMatch(version);
    expect((await ours('--help')).stdout).toMatch(/\nSupported image formats:\n\n {2}[^\n]*\bqcow2\b/);
  });

  it('a qcow2 image of a few bytes is still one', async () => {
    truncateSync(scratch('short.qcow2'), 8);
    expect((await ours('info', 'short.qcow2')).status).toBe(theirs('info', 'short.qcow2').status);
  });
});
