/** `bench`, beside `qemu-img` doing the same to a copy; nothing is said of times. */
import { copyFileSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { bothPrograms } from '../support/both-programs.js';
import { describeWith } from '../support/judges.js';
import { qemuImg } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

/** Without the time, and without what differs between versions. */
function masked<R extends { stdout: string; stderr: string }>(result: R): R {
  const stdout = result.stdout.replace(/ in [0-9]+\.[0-9]{3} seconds/, ' in X seconds');
  return { ...result, stdout };
}

describeWith(['qemu-img'], 'bench', () => {
  const file = scratchDirectory();
  const { ours, theirs } = bothPrograms(file);

  it.each([
    [],
    ['-c', '10', 'image'],
    ['-c', '300', '-d', '7', '-s', '1k', '-S', '512', '-o', '4k', '-f', 'qcow2', 'image'],
    ['-c', '0x10', '-q', 'image'],
    ['-c', 'x', 'image'],
    ['-c', '0', 'image'],
    ['-d', '0', 'image'],
    ['-s', '3G', 'image'],
    ['-o', '-1', 'image'],
    ['-S', 'x', 'image'],
    ['-t', 'foo', 'image'],
    ['-i', 'foo', 'image'],
    ['-i', 'threads', '-c', '10', 'image'],
    ['-n', 'image'],
    ['--pattern', '256', '-w', 'image'],
    ['--pattern', '5', '-w', '-c', '300', '-S', '5000', '-d', '1', 'image'],
    ['--pattern', '7', '-w', '-c', '40', '-s', '1000', 'image'],
    ['-w', '-c', '200', '--flush-interval', '64', 'image'],
    ['-w', '-c', '200', '--flush-interval', '64', '--no-drain', 'image'],
    ['--flush-interval', '64', 'image'],
    ['-w', '--flush-interval', '5', 'image'],
    ['-c', '10', '-o', '2M', 'image'],
    ['-c', '10', '-s', '2M', 'image'],
    ['-U', '-c', '3', 'image'],
    ['-U', '-w', '-c', '3', 'image'],
    ['--image-opts', '-c', '3', 'driver=qcow2,file.filename=image'],
    ['image', 'other'],
    ['missing'],
    ['-c', '3', '-d', '2', '--step-size', '512', '--buffer-size', '512', '--offset', '512', '--write', 'image'],
  ])('%s %s %s %s %s', async (...args) => {
    qemuImg('create', '-q', '-f', 'qcow2', file('image'), '1M');
    copyFileSync(file('image'), file('before'));
    const expected = masked(theirs('bench', ...args));
    const content = () => {
      qemuImg('convert', '-O', 'raw', file('image'), file('content'));
      return readFileSync(file('content'));
    };
    const judge = content();
    copyFileSync(file('before'), file('image'));
    expect(masked(await ours('bench', ...args))).toEqual(expected);
    expect(content().equals(judge)).toBe(true);
    qemuImg('check', '-q', file('image'));
  });
});
