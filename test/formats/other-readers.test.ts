/** Images that readers of another family understand too: libyal's. VMDK's test asks one of its own. */
import { spawnSync } from 'node:child_process';
import { beforeAll, expect, it } from 'vitest';
import { runInline } from '../support/inline-cli.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

const SIZE = 8 * 1024 * 1024;

describeWith(['qemu-img', 'qemu-io', 'qcowinfo', 'vhdiinfo'], 'other readers', () => {
  const file = scratchDirectory();

  beforeAll(() => {
    qemuImg('create', '-f', 'raw', file('disk.raw'), String(SIZE));
    qemuIo(file('disk.raw'), 'raw', 'write -P 3 1M 2M');
  });

  it.each([
    ['qcowinfo', 'qcow2', [], /Format version\s*: 3/],
    ['qcowinfo', 'qcow2', ['-c'], /Format version\s*: 3/],
    ['qcowinfo', 'qcow2', ['-o', 'compat=0.10'], /Format version\s*: 2/],
    ['qcowinfo', 'qcow', [], /Format version\s*: 1/],
    ['vhdiinfo', 'vhdx', [], /Disk type\s*: Dynamic/],
    ['vhdiinfo', 'vhdx', ['-o', 'subformat=fixed'], /Disk type\s*: Fixed/],
    ['vhdiinfo', 'vpc', ['-o', 'force_size=on'], /Disk type\s*: Dynamic/],
    ['vhdiinfo', 'vpc', ['-o', 'subformat=fixed,force_size=on'], /Disk type\s*: Fixed/],
  ])('%s finds a disk in %s %j', async (reader, format, options, told) => {
    const line = ['convert', '-f', 'raw', '-O', format, ...options, 'disk.raw', `disk.${format}`];
    expect(await runInline(file(''), ...line)).toMatchObject({ status: 0, stderr: '' });
    const { stdout } = spawnSync(reader, [file(`disk.${format}`)], { encoding: 'utf8' });
    expect(stdout).toMatch(told);
    expect(stdout).toContain(`(${SIZE} bytes)`);
  });
});
