/** Large conversions into raw files. */
import { existsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { builtCli } from '../support/built-cli.js';
import { describeWith } from '../support/judges.js';
import { qemuImg } from '../support/qemu.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

const MIB = 1024 * 1024;
/** Not whole sectors. */
const SIZE = 200 * MIB + 700;

describeWith(['qemu-img'], 'a raw target of many megabytes', () => {
  const file = scratchDirectory();
  const cli = builtCli();

  beforeAll(() => {
    const noise = new Random(3).bytes(MIB);
    const disk = Buffer.alloc(SIZE);
    // Data, zeros that are stored, and (below) holes, of all lengths from a page on.
    for (let at = 0; at < SIZE - MIB; at += MIB) {
      const pages = (at / MIB) % 200;
      disk.set(noise.subarray(0, MIB - pages * 4096), at + (pages % 3) * 4096);
    }
    writeFileSync(file('stored'), disk);
    qemuImg('convert', '-O', 'raw', file('stored'), file('disk'));
    truncateSync(file('disk'), SIZE);
    qemuImg('convert', '-O', 'qcow2', file('disk'), file('plain'));
    qemuImg('convert', '-c', '-O', 'qcow2', file('disk'), file('packed'));
    qemuImg('convert', '-O', 'vdi', file('plain'), file('outer'));
    qemuImg('create', '-q', '-f', 'vdi', file('outer'), '260M');
  });

  const allocated = (name: string) => statSync(file(name)).blocks * 512;

  it.each([
    ['raw', 'disk', []],
    ['raw', 'stored', []],
    ['raw', 'stored', ['-S', '64k']],
    ['raw', 'disk', ['-S', '0']],
    ['raw', 'disk', ['-W', '-m', '16']],
    ['raw', 'disk', ['-m', '1']],
    ['qcow2', 'plain', []],
    ['qcow2', 'packed', []],
  ])('from %s: %s with %j is the disk, and as sparse as from qemu-img', async (format, source, options) => {
    const line = ['convert', '-f', format, '-O', 'raw', ...options];
    expect(await cli.run([...line, file(source), file('ours')])).toMatchObject({ code: 0, stderr: '' });
    qemuImg(...line, file(source), file('theirs'));
    qemuImg('compare', '-f', 'raw', '-F', 'raw', file('theirs'), file('ours'));
    expect(statSync(file('ours')).size).toBe(statSync(file('theirs')).size);
    expect(Math.abs(allocated('ours') - allocated('theirs'))).toBeLessThan(MIB);
  });

  it('that cannot grow so far is told of and removed', async () => {
    const wrapper = ['prlimit', `--fsize=${150 * MIB}`];
    for (const source of ['disk', 'plain']) {
      const outcome = await cli.run(['convert', '-O', 'raw', file(source), file('large')], { wrapper });
      expect(outcome.code).toBe(1);
      expect(existsSync(file('large'))).toBe(false);
    }
  });

  it('shows its progress from start to end', async () => {
    const { stdout } = await cli.run(['convert', '-p', '-O', 'raw', file('disk'), file('shown')]);
    const percents = [...stdout.matchAll(/\((\d+\.\d\d)\/100%\)/g)].map(([, percent]) => Number(percent));
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(percents.at(-1)).toBe(100);
  });

  it('is right also where the image lies inside another one and -C asks the kernel to copy', async () => {
    const nested = JSON.stringify({
      driver: 'qcow2',
      file: { driver: 'vdi', file: { driver: 'file', filename: file('outer') } },
    });
    const inner = ['-n', '-f', 'raw', '-O', 'vdi', file('plain'), file('outer')];
    expect(await cli.run(['convert', ...inner])).toMatchObject({ code: 0, stderr: '' });
    for (const options of [[], ['-C']]) {
      const line = ['convert', ...options, '-O', 'raw', `json:${nested}`, file('inner')];
      expect(await cli.run(line)).toMatchObject({ code: 0, stderr: '' });
      qemuImg('compare', '-f', 'raw', '-F', 'raw', file('disk'), file('inner'));
    }
  });
});
