/** `bitmap`, judged by `qemu-img` doing the same to a copy. */
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openQcow2 } from '../../src/formats/qcow2/open.js';
import { openFile } from '../../src/platform/node/open-file.js';
import { contextFor } from '../formats/qcow2/writing.js';
import { bothPrograms, type ProgramResult } from '../support/both-programs.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

/** Without what differs by dialect or is random. */
function comparable({ status, stdout, stderr }: ProgramResult): ProgramResult {
  const text = stderr.replace(/#block\d{3}/g, 'NODE');
  return { status, stdout, stderr: text };
}

/** Names, flags, granularities and the marked granules of all bitmaps. */
async function bitmapsOf(path: string): Promise<object[]> {
  const image = await openQcow2(await openFile(path, 'read'), contextFor(path));
  const found: object[] = [];
  for (const { name, auto, inUse, granularity } of image.bitmaps ?? []) {
    const marked: number[] = [];
    const bitmap = { name, auto, inUse, granularity };
    if (!inUse)
      for await (const { start, length, bits } of image.bitmapContent(bitmap))
        for (let at = 0; at < Math.ceil(length / granularity); at++)
          if (bits === 'ones' || (bits !== 'zeros' && ((bits[at >> 3]! >> (at & 7)) & 1) === 1))
            marked.push(start / granularity + at);
    found.push({ ...bitmap, marked });
  }
  await image.close();
  return found;
}

describeWith(['qemu-img', 'qemu-io'], 'bitmap', () => {
  const file = scratchDirectory();
  const both = bothPrograms(file);

  /** Runs both programs on copies of `original`, which both know as `image`; keeps our result. */
  async function expectSame(original: string, ...args: string[]): Promise<void> {
    copyFileSync(file(original), file('image'));
    const theirs = comparable(both.theirs('bitmap', ...args));
    copyFileSync(file('image'), file('theirs'));
    copyFileSync(file(original), file('image'));
    expect(comparable(await both.ours('bitmap', ...args))).toEqual(theirs);
    if (original.endsWith('.qcow2')) {
      expect(await bitmapsOf(file('image'))).toEqual(await bitmapsOf(file('theirs')));
      expect(qemuImg('check', file('image'))).toContain('No errors were found on the image.');
    }
  }

  it('says what is wrong', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', file('a.qcow2'), '64M');
    qemuImg('create', '-q', '-f', 'qcow2', file('other'), '32M');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'compat=0.10', file('v2.qcow2'), '64M');
    qemuImg('create', '-q', file('disk.raw'), '1M');
    qemuImg('bitmap', '--add', file('a.qcow2'), 'b');
    qemuImg('bitmap', '--add', file('other'), 's');
    const name = ['image', 'b'];
    for (const args of [
      [],
      ['--add'],
      ['--add', 'image'],
      ['--add', ...name, 'more'],
      ['--add', '-g', '3', 'image', 'c'],
      ['--add', '-g', '256', 'image', 'c'],
      ['--add', '-g', 'x', 'image', 'c'],
      ['--add', '-g', '4G', 'image', 'c'],
      ['--clear', '-g', '4k', ...name],
      ['--clear', '-F', 'qcow2', ...name],
      ['--clear', '-b', 'other', ...name],
      ['--add', ...name],
      ['--add', 'image', ''],
      ['--add', 'image', 'x'.repeat(1024)],
      ['--clear', 'image', 'x'],
      ['--remove', 'image', 'x'],
      ['--enable', 'image', 'x'],
      ['--merge', 'x', ...name],
      ['--merge', 'b', 'image', 'x'],
      ['--merge', 's', '-b', 'other', ...name],
      ['--merge', 's', '-b', 'other', '-F', 'raw', ...name],
      ['--merge', 's', '-b', 'missing', ...name],
      ['--image-opts', '-f', 'qcow2', '--add', ...name],
    ])
      await expectSame('a.qcow2', ...args);
    for (const action of ['--add', '--remove']) {
      await expectSame('v2.qcow2', action, ...name);
      await expectSame('disk.raw', action, '-f', 'raw', ...name);
    }
  }, 120_000);

  it('does what it is told, step by step, up to the first that fails', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', file('a.qcow2'), '8M');
    qemuImg('bitmap', '--add', '-g', '512', file('a.qcow2'), 'b');
    qemuIo(file('a.qcow2'), 'qcow2', 'write 1M 200k', 'write 5M 512');
    for (const args of [
      ['--add', '-g', '0', 'image', 'c'],
      ['--add', '--disable', '--merge', 'b', 'image', 'c'],
      ['--add', '--disable', '--enable', '--remove', '--add', 'image', 'c'],
      ['--remove', '--add', '-g', '64k', '--merge', 'b', 'image', 'b'],
      ['--clear', '--clear', '--enable', '--disable', 'image', 'b'],
      ['--merge', 'b', 'image', 'b'],
      ['--add', '--add', 'image', 'c'],
      ['--image-opts', '--disable', 'driver=qcow2,file.filename=image', 'b'],
    ])
      await expectSame('a.qcow2', ...args);
  }, 120_000);

  it('removes what is inconsistent, and uses it for nothing else', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', file('a.qcow2'), '8M');
    qemuImg('bitmap', '--add', file('a.qcow2'), 'good');
    qemuImg('bitmap', '--add', file('a.qcow2'), 'bad');
    qemuImg('bitmap', '--disable', file('a.qcow2'), 'good');
    copyFileSync(file('a.qcow2'), file('killed.qcow2'));
    both.theirs('bitmap', '--add', 'killed.qcow2', 'ugly');
    // qemu-io marks them as being in use, and has no time to take that back.
    const { status } = spawnSync('qemu-io', ['-f', 'qcow2', '-c', 'write 0 512', '-c', 'abort', 'killed.qcow2'], {
      cwd: file(''),
    });
    expect(status).not.toBe(0);
    for (const action of [['--clear'], ['--enable'], ['--disable'], ['--merge', 'good'], ['--remove']])
      await expectSame('killed.qcow2', ...action, 'image', 'bad');
  }, 120_000);

  it('random changes make the bitmaps that qemu-img makes', async () => {
    for (let seed = 1; seed <= 3; seed++) {
      const random = new Random(seed);
      const clusterSize = [512, 4096, 65536][random.below(3)]!;
      qemuImg('create', '-q', '-f', 'qcow2', '-o', `cluster_size=${clusterSize}`, file('ours.qcow2'), '8M');
      copyFileSync(file('ours.qcow2'), file('theirs.qcow2'));
      for (let step = 0; step < 8; step++) {
        const name = () => ['a', 'b', 'c'][random.below(3)]!;
        const steps = Array.from({ length: 1 + random.below(3) }, () => {
          const choice = random.below(8);
          if (choice < 3) return ['--add', '-g', String(512 << random.below(9))];
          if (choice < 5) return ['--merge', name()];
          return [['--clear', '--disable', '--remove'][choice - 5]!];
        });
        const args = steps.flat();
        const target = name();
        const writes = [0, 1].map(() => `write ${512 * random.below(16000)} ${512 * (1 + random.below(300))}`);
        const theirs = both.theirs('bitmap', ...args, 'theirs.qcow2', target);
        const ours = await both.ours('bitmap', ...args, 'ours.qcow2', target);
        expect(comparable(ours)).toEqual(comparable(theirs));
        for (const image of ['ours.qcow2', 'theirs.qcow2']) qemuIo(file(image), 'qcow2', ...writes);
        expect(await bitmapsOf(file('ours.qcow2'))).toEqual(await bitmapsOf(file('theirs.qcow2')));
        expect(qemuImg('check', file('ours.qcow2'))).toContain('No errors were found on the image.');
      }
    }
  }, 300_000);
});
