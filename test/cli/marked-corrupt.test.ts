/** Images whose metadata contradict themselves, found out by changing them: marked, and left alone from then on. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { bothPrograms, type ProgramResult } from '../support/both-programs.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

/** Of the refcount table in a new image, 64 KiB clusters. */
const REFCOUNT_TABLE = 0x10000;

/** Of the refcounts' own cluster in a new image. */
const REFCOUNTS = 0x20000;

describeWith(['qemu-img', 'qemu-io'], 'an image whose metadata are counted as free', () => {
  const scratch = scratchDirectory();
  const { ours, theirs } = bothPrograms(scratch);

  beforeAll(() => {
    qemuImg('create', '-q', '-f', 'qcow2', scratch('sound'), '4M');
    qemuIo(scratch('sound'), 'qcow2', 'write -P 1 0 64k');
    qemuImg('create', '-q', scratch('disk'), '4M');
    qemuIo(scratch('disk'), 'raw', 'write -P 3 1M 64k');
  });

  it.each([
    [0, 'header'],
    [1, 'refcount table'],
    [2, 'refcount block'],
    [3, 'L1 table'],
    [4, 'L2 table'],
  ])('cluster %i, the %s: marked as qemu-img marks it, and not changed any more', async (cluster) => {
    const image = readFileSync(scratch('sound'));
    image.writeUInt16BE(0, REFCOUNTS + 2 * cluster);
    for (const name of ['image', 'judged']) writeFileSync(scratch(name), image);
    const line = ['convert', '-n', '-f', 'raw', '-O', 'qcow2', 'disk'];
    const judge = theirs(...line, 'judged');
    expect(judge.stderr).toContain('Marking image as corrupt');
    expect(await ours(...line, 'image')).toEqual(judge);
    expect(readFileSync(scratch('image')).subarray(65536)).toEqual(image.subarray(65536));
    const flag = async (name: string) => (await ours('info', name)).stdout.match(/corrupt: \w+/)![0];
    expect([await flag('image'), await flag('judged')]).toEqual(['corrupt: true', 'corrupt: true']);
    copyFileSync(scratch('image'), scratch('judged'));
    for (const change of [
      ['resize', '-f', 'qcow2', 'image', '8M'],
      [...line, 'image'],
    ]) {
      const refusal = theirs(...change);
      expect(refusal.stderr).toContain('Image is corrupt');
      expect(await ours(...change)).toEqual(refusal);
    }
  });
});

describeWith(['qemu-img'], 'a disk that shrinks over refcount blocks where none can be', () => {
  const scratch = scratchDirectory();
  const { ours, theirs } = bothPrograms(scratch);
  const STEPS = [
    ['resize', '--shrink', 'image', '32M'],
    ['check', 'image'],
    ['check', '-r', 'all', 'image'],
    ['check', '-r', 'all', 'image'],
    ['check', 'image'],
  ];

  it.each<[string, number, Record<number, bigint>]>([
    ['behind all files', 16, { 1: 0xff_ffff_0000_0000n }],
    ['behind the end, counted by none', 1, { 1: 0x10_0000_0000n }],
    ['behind the end, counted by a block across clusters', 1, { 1: 0x10_0000_0000n, 2: 0x200n }],
  ])('%s', async (_, bits, entries) => {
    const damaged = () => {
      qemuImg('create', '-q', '-f', 'qcow2', '-o', `refcount_bits=${bits}`, scratch('image'), '64M');
      const image = readFileSync(scratch('image'));
      for (const [index, offset] of Object.entries(entries))
        image.writeBigUInt64BE(offset, REFCOUNT_TABLE + 8 * Number(index));
      writeFileSync(scratch('image'), image);
    };
    const answers = async (program: typeof ours | typeof theirs) => {
      damaged();
      const results: ProgramResult[] = [];
      for (const line of STEPS) results.push(await program(...line));
      // QEMU has made an L2 table, to enter in it that nothing is there.
      return results.map((result) => ({ ...result, stdout: result.stdout.replace(/Image end offset: .*/, '') }));
    };
    expect(await answers(ours)).toEqual(await answers(theirs));
  });
});
