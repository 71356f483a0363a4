/**
 * Memory is bounded by bytes in flight, not by the image: the program itself, its peak read from the kernel.
 *
 * `npm run test:slow`; it takes some minutes and some gigabytes of sparse files.
 */
import { rmSync, statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { builtCli } from '../support/built-cli.js';
import { describeWith } from '../support/judges.js';
import { qemuImg } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';
import { makeFragmentedQcow2, makeScatteredRaw, TIB } from './fragmented.js';

const LIMIT = 300 * 1024 * 1024;
const MINUTES = 60_000;

const scratch = scratchDirectory();
const cli = builtCli();

async function peakOf(...args: string[]): Promise<number> {
  const begin = Date.now();
  const { code, stderr, peak } = await cli.run(args, { keepOutput: false });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const seconds = ((Date.now() - begin) / 1000).toFixed(1);
  console.log(`${args.slice(0, -1).join(' ')}: ${Math.round(peak / 1024 / 1024)} MiB, ${seconds} s`);
  return peak;
}

describeWith(['qemu-img'], 'a fragmented qcow2 of 1 TiB', () => {
  it('is converted to raw and to qcow2, compressed or not, and mapped', { timeout: 30 * MINUTES }, async () => {
    const source = scratch('fragmented.qcow2');
    makeFragmentedQcow2(source);
    qemuImg('check', '-q', source);
    expect(await peakOf('map', '--output=json', source)).toBeLessThan(LIMIT);
    const targets: [name: string, ...options: string[]][] = [
      ['new.raw', '-O', 'raw'],
      ['new.qcow2', '-O', 'qcow2'],
      ['wide.qcow2', '-O', 'qcow2', '-m', '16', '-W'],
      ['packed.qcow2', '-O', 'qcow2', '-c'],
      ['small.qcow2', '-O', 'qcow2', '-o', 'cluster_size=4k'],
    ];
    for (const [name, ...options] of targets) {
      expect(await peakOf('convert', ...options, source, scratch(name)), name).toBeLessThan(LIMIT);
      expect(statSync(scratch(name)).blocks * 512, name).toBeLessThan(3 * 1024 ** 3);
      // To compare with the source takes minutes; once is enough.
      if (name === 'new.raw') qemuImg('compare', '-q', source, scratch(name), '-F', 'raw');
      else {
        qemuImg('compare', '-q', scratch('new.raw'), scratch(name), '-f', 'raw', '-F', 'qcow2');
        rmSync(scratch(name));
      }
    }
    rmSync(scratch('new.raw'));
  });
});

describeWith(['qemu-img'], 'a raw disk of 1 TiB with 120 000 stretches of data', () => {
  it('is converted to raw and to qcow2', { timeout: 30 * MINUTES }, async () => {
    const source = scratch('scattered.raw');
    makeScatteredRaw(source, 120_000);
    expect(await peakOf('map', '--output=json', source)).toBeLessThan(LIMIT);
    expect(await peakOf('convert', '-O', 'raw', source, scratch('copy.raw'))).toBeLessThan(LIMIT);
    expect(statSync(scratch('copy.raw')).size).toBe(TIB);
    qemuImg('compare', '-q', '-f', 'raw', '-F', 'raw', source, scratch('copy.raw'));
    rmSync(scratch('copy.raw'));
    const options = ['-O', 'qcow2', '-o', 'cluster_size=4k'];
    expect(await peakOf('convert', ...options, source, scratch('copy.qcow2'))).toBeLessThan(LIMIT);
    qemuImg('compare', '-q', '-f', 'raw', source, scratch('copy.qcow2'));
  });
});
