/** Damage, and what check makes of it: the same as qemu-img, on images changed by hand. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parallels } from '../../../src/formats/parallels/index.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';
import { kernels } from '../qcow2/writing.js';

const CLUSTER = 64 * 1024;
const BAT = 64;
const context = { kernels, openReference: () => Promise.reject(new Error('no file is named')) };

describeWith(['qemu-img', 'qemu-io'], 'damaged Parallels images', () => {
  const scratch = scratchDirectory();
  const { ours, theirs } = bothPrograms(scratch);
  let sound: Buffer;

  /** Clusters 0 to 3 of 16 are stored, full of ones, twos, and so on. */
  beforeAll(() => {
    const file = scratch('sound.hds');
    qemuImg('create', '-q', '-f', 'parallels', '-o', 'cluster_size=64k', file, '1M');
    qemuIo(file, 'parallels', ...[0, 1, 2, 3].map((index) => `write -P ${index + 1} ${index * 64}k 64k`));
    sound = readFileSync(file);
  });

  const entry = (image: Buffer, index: number, value: number) => image.writeUInt32LE(value, BAT + 4 * index);

  const damages: [what: string, damage: (image: Buffer) => Buffer | undefined][] = [
    ['nothing', () => undefined],
    ['an image that was not closed', (image) => void image.writeUInt32LE(0x746f6e59, 44)],
    ['clusters at a wrong place', (image) => void image.writeUInt32LE(0xffffffff, 48)],
    ['clusters in the header', (image) => void image.writeUInt32LE(0, 48)],
    ['space behind the last cluster', (image) => Buffer.concat([image, Buffer.alloc(3 * CLUSTER + 100)])],
    ['a cluster that is in two places', (image) => void entry(image, 1, 1)],
    ['a cluster that is in three places', (image) => void [1, 2].map((index) => entry(image, index, 1))],
    ['clusters in another order', (image) => void [1, 2].map((index) => entry(image, index, 4 - index))],
  ];

  describe.each(damages)('%s', (_, damage) => {
    beforeAll(() => {
      const image = Buffer.from(sound);
      writeFileSync(scratch('damaged.hds'), damage(image) ?? image);
    });

    it('check says what qemu-img says', async () => {
      const line = ['check', '-f', 'parallels', 'damaged.hds'];
      expect(await ours(...line)).toEqual(theirs(...line));
    });

    it.each(['leaks', 'all'])('-r %s repairs what qemu-img repairs', async (repair) => {
      const line = ['check', '-f', 'parallels', '-r', repair, 'x.hds'];
      copyFileSync(scratch('damaged.hds'), scratch('x.hds'));
      const expected = theirs(...line);
      copyFileSync(scratch('x.hds'), scratch('judge.hds'));
      copyFileSync(scratch('damaged.hds'), scratch('x.hds'));
      const outcome = await ours(...line);
      const findings = (text: string) => text.replace(/\d+\/\d+ = .*|Image end offset.*/g, '');
      expect(findings(outcome.stdout)).toBe(findings(expected.stdout));
      expect(outcome).toMatchObject({ status: expected.status, stderr: expected.stderr });
      if (repair === 'all')
        expect(theirs('compare', '-f', 'parallels', '-F', 'parallels', 'x.hds', 'judge.hds').status).toBe(0);
    });
  });

  it.each([
    ['a cluster beyond the end', [[2, 100]], [2]],
    ['a cluster at 2^48', [[5, 0xffffffff]], [5]],
    ['all clusters beyond the end', [0, 1, 2, 3].map((index) => [index, 70 + index]), [0, 1, 2, 3]],
  ])('%s, where qemu-img aborts', async (_, entries, outside) => {
    const image = Buffer.from(sound);
    for (const [index, value] of entries) entry(image, index!, value!);
    writeFileSync(scratch('outside.hds'), image);
    const found = (what: string) => outside.map((index) => `${what} cluster ${index} is outside image\n`).join('');
    const checked = await ours('check', '-f', 'parallels', 'outside.hds');
    expect(checked).toMatchObject({ status: 2, stderr: found('ERROR') });
    const repaired = await ours('check', '-f', 'parallels', '-r', 'all', 'outside.hds');
    expect(repaired).toMatchObject({ status: 0, stderr: expect.stringContaining(found('Repairing')) });
    expect(theirs('check', '-f', 'parallels', 'outside.hds')).toMatchObject({ status: 0, stderr: '' });
  });

  it('a cluster that is cut off is outside', async () => {
    writeFileSync(scratch('cut.hds'), sound.subarray(0, sound.length - 512));
    const { status, stderr } = await ours('check', '-f', 'parallels', 'cut.hds');
    expect(status).toBe(2);
    expect(stderr).toContain('ERROR cluster 3 is outside image');
  });

  it('an image that was not closed is repaired before it is written to, and that is said', async () => {
    const image = Buffer.from(sound);
    image.writeUInt32LE(0x746f6e59, 44);
    const store = new MemoryStore('image', image);
    const said: string[] = [];
    const editor = await parallels.edit!(
      store,
      { compress: false, flush: true },
      { ...context, onWarning: (text) => void said.push(text) },
    );
    await editor.write(8 * CLUSTER + 512, new Uint8Array(512).fill(8));
    await editor.flush();
    expect(new DataView(store.bytes.buffer).getUint32(44, true)).toBe(0x746f6e59);
    await editor.finish();
    expect(new DataView(store.bytes.buffer).getUint32(44, true)).toBe(0);
    expect(said).toEqual(['Repairing image was not closed correctly']);
    const content = new Uint8Array(16 * CLUSTER);
    await (await parallels.open!(new MemoryStore('image', store.bytes.slice()), context)).read(0, content);
    expect([content[CLUSTER], content[8 * CLUSTER], content[8 * CLUSTER + 512]]).toEqual([2, 0, 8]);
  });

  it('entries of the old magic count sectors', async () => {
    const image = Buffer.from(sound);
    image.write('WithoutFreeSpace');
    for (let index = 0; index < 4; index++) entry(image, index, (index + 1) * 128);
    image.writeUInt32LE(0xffffffff, 40);
    const opened = await parallels.open!(new MemoryStore('image', image), context);
    const content = new Uint8Array(16 * CLUSTER);
    await opened.read(0, content);
    expect([opened.size, content[0], content[3 * CLUSTER]]).toEqual([16 * CLUSTER, 1, 4]);
  });

  const refusals: [what: string, damage: (image: Buffer) => void, message: string][] = [
    ['another magic', (image) => image[0]!++, 'Image not in Parallels format'],
    ['another version', (image) => image.writeUInt32LE(3, 16), 'Image not in Parallels format'],
    ['clusters of nothing', (image) => image.writeUInt32LE(0, 28), 'Zero sectors per track'],
    ['clusters of 2 TiB', (image) => image.writeUInt32LE(0xffffffff, 28), 'Too big cluster'],
    ['an endless table', (image) => image.writeUInt32LE(0xffffffff, 32), 'Catalog too large'],
    ['a table beyond the end', (image) => image.writeUInt32LE(0x1000000, 32), 'ends beyond the end of the file'],
    ['a table too small', (image) => image.writeUInt32LE(3, 32), 'too small for the disk'],
    ['an endless disk', (image) => image.writeUInt32LE(0xffffffff, 40), 'too small for the disk'],
    ['an extension far away', (image) => image.fill(255, 56, 64), 'Too big offset'],
  ];

  it.each(refusals)('%s: refused', async (_, damage, message) => {
    const image = Buffer.from(sound);
    damage(image);
    const store = new MemoryStore('image', image);
    await expect(parallels.open!(store, context)).rejects.toThrow(message);
    await expect(parallels.check!(store, null, context)).rejects.toThrow(message);
  });

  it.each([
    ['in the header', 0x8000_0000, 'beyond the end of the file'],
    ['beyond the end', 6, 'beyond the end of the file'],
  ])('a cluster %s is not read', async (_, value, message) => {
    const image = Buffer.from(sound);
    entry(image, 0, value);
    const opened = await parallels.open!(new MemoryStore('image', image), context);
    expect(() => opened.read(0, new Uint8Array(512))).toThrow(message);
  });

  it('an image with a format extension is neither changed nor repaired', async () => {
    const image = Buffer.from(sound);
    image.writeUInt32LE(640, 56);
    const store = new MemoryStore('image', image);
    const edit = parallels.edit!(store, { compress: false, flush: false }, context);
    await expect(edit).rejects.toThrow('format extension');
    const events = { onFinding: () => {}, onTrouble: () => {} };
    const checked = await parallels.check!(store, store, context);
    expect(await checked.check({ repair: 'none', flush: false, events })).toMatchObject({ corruptions: 0 });
    await expect(checked.check({ repair: 'leaks', flush: false, events })).rejects.toThrow('format extension');
  });
});
