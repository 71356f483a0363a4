/** Other sizes for qcow2 disks: against a model in memory, judged by qemu-img. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { qcow2 } from '../../../src/formats/qcow2/index.js';
import type { EditableImage, GrowthPreallocation, Image } from '../../../src/image/image.js';
import type { OptionValues } from '../../../src/image/options.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { Random } from '../../support/random.js';
import { scratchDirectory } from '../../support/scratch.js';
import { contentOf, edit, expectSame, sample } from './editing.js';
import { FaultStore } from './fault-store.js';
import { contextFor, makeRaw, noise, openRaw, optionText } from './writing.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const SECTOR = 512;

const OPTIONS: OptionValues[] = [
  {},
  { cluster_size: 512 },
  { cluster_size: 4096, refcount_bits: 64 },
  { cluster_size: 2 * MIB },
  { compat: '0.10' },
  { extended_l2: true },
  { compression_type: 'zstd', cluster_size: 16 * KIB },
];
const MODES: GrowthPreallocation[] = ['off', 'off', 'metadata', 'falloc', 'full'];

function resizedModel(model: Uint8Array, size: number): Uint8Array {
  const resized = new Uint8Array(size);
  resized.set(model.subarray(0, size));
  return resized;
}

/** Random sizes, and writes between them; the model of what the disk holds then. */
async function scramble(
  image: EditableImage,
  first: Uint8Array,
  random: Random,
  { count, largest, backing = 0 }: { count: number; largest: number; backing?: number },
): Promise<Uint8Array> {
  let model = first;
  for (let index = 0; index < count; index++) {
    const length = 1 + random.below(Math.min(300 * KIB, model.length - 1));
    const offset = random.below(model.length - length);
    const bytes = random.below(4) === 0 ? new Uint8Array(length) : noise(length, random.next());
    await (bytes[0] === 0 ? image.zero(offset, length) : image.write(offset, bytes));
    model.set(bytes, offset);
    if (random.below(3) > 0) continue;
    const size = SECTOR * (1 + random.below(largest / SECTOR));
    const preallocation = size > model.length ? MODES[random.below(MODES.length)]! : 'off';
    await image.resize!(size, { preallocation, hidesBacking: size > model.length && backing > model.length });
    model = resizedModel(model, size);
    expect(image.size).toBe(size);
  }
  return model;
}

describeWith(['qemu-img', 'qemu-io'], 'a disk of another size', () => {
  const file = scratchDirectory();

  it.each(OPTIONS)('holds what was written and zeros, with %o', async (options) => {
    const path = file('image.qcow2');
    let model: Uint8Array = new Uint8Array(sample(path, file('scratch'), 4 * MIB + SECTOR, options));
    for (const seed of [1, 2]) {
      const image = await edit(path);
      model = await scramble(image, model, new Random(seed), { count: 30, largest: 7 * MIB });
      await image.finish();
      await image.close();
      qemuImg('check', path);
      expectSame(contentOf(path, file('scratch')), model);
    }
  });

  it.each(OPTIONS)('never shows what a longer backing file has behind its old end, with %o', async (options) => {
    const [base, path] = [file('base.raw'), file('overlay.qcow2')];
    makeRaw(base, 8 * MIB, [{ offset: 0, length: 8 * MIB }]);
    const [shared, size] = [readFileSync(base), 2 * MIB + 3 * SECTOR];
    const more = Object.keys(options).length > 0 ? ['-o', optionText(options)] : [];
    for (const seed of [1]) {
      qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', ...more, path, String(size));
      const backing = await openRaw(base);
      const image = await edit(path, { backing: async () => backing });
      const first = new Uint8Array(shared.subarray(0, size));
      const model = await scramble(image, first, new Random(seed), { count: 30, largest: 10 * MIB, backing: 8 * MIB });
      await image.finish();
      await image.close();
      await backing.close();
      qemuImg('check', path);
      expectSame(contentOf(path, file('scratch')), model);
    }
  });

  it.each(OPTIONS.filter(({ compat }) => compat !== '0.10'))('leaves snapshots alone, with %o', async (options) => {
    const path = file('image.qcow2');
    const first = sample(path, file('scratch'), 4 * MIB, options);
    qemuImg('snapshot', '-c', 'one', path);
    const image = await edit(path);
    const model = await scramble(image, new Uint8Array(first), new Random(4), { count: 40, largest: 9 * MIB });
    await image.finish();
    await image.close();
    qemuImg('check', path);
    expectSame(contentOf(path, file('scratch')), model);
    qemuImg('snapshot', '-a', 'one', path);
    qemuImg('snapshot', '-d', 'one', path);
    qemuImg('check', path);
    expectSame(contentOf(path, file('scratch')), first);
  });

  it.each([{}, { data_file_raw: true }])('has a data file that follows it, with %o', async (options: OptionValues) => {
    const path = file('image.qcow2');
    const all = optionText({ data_file: file('data.raw'), ...options });
    qemuImg('create', '-q', '-f', 'qcow2', '-o', all, path, String(3 * MIB));
    const image = await edit(path);
    const model = await scramble(image, new Uint8Array(3 * MIB), new Random(5), { count: 60, largest: 5 * MIB });
    await image.finish();
    await image.close();
    qemuImg('check', path);
    expectSame(contentOf(path, file('scratch')), model);
    if (options.data_file_raw) expectSame(readFileSync(file('data.raw')).subarray(0, model.length), model);
  });

  it('is as small a file as its content allows, however much there was', async () => {
    const path = file('image.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512,refcount_bits=64', path, '3M');
    qemuIo(path, 'qcow2', 'write -P 1 0 3M');
    const image = await edit(path);
    await image.resize!(MIB, { preallocation: 'off', hidesBacking: false });
    await image.finish();
    await image.close();
    qemuImg('check', path);
    const ours = readFileSync(path).length;
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512,refcount_bits=64', path, '3M');
    qemuIo(path, 'qcow2', 'write -P 1 0 3M');
    qemuImg('resize', '-q', '-f', 'qcow2', '--shrink', path, '1M');
    expect(ours).toBeLessThanOrEqual(readFileSync(path).length);
  });

  async function marks(path: string): Promise<{ [name: string]: string }> {
    const image: Image = await edit(path);
    const found: { [name: string]: string } = {};
    for (const bitmap of image.bitmaps!) {
      let text = '';
      for await (const { start, length, bits } of image.bitmapContent!(bitmap)) {
        for (let bit = 0; bit * bitmap.granularity < length; bit++) {
          const isSet = bits === 'ones' || (bits !== 'zeros' && (bits[bit >> 3]! & (1 << (bit & 7))) !== 0);
          if (isSet) text += `${start / bitmap.granularity + bit} `;
        }
      }
      found[bitmap.name] = `${bitmap.granularity} ${bitmap.inUse} ${bitmap.auto}: ${text}`;
    }
    await image.close();
    return found;
  }

  it.each([
    [9 * MIB, 'off'],
    [MIB + SECTOR, 'off'],
    [300 * MIB, 'off'],
    [7 * MIB, 'metadata'],
  ] as const)('has its bitmaps, at %d bytes with preallocation %s, as qemu-img leaves them', async (size, mode) => {
    const [path, judge] = [file('image.qcow2'), file('judge.qcow2')];
    for (const name of [path, judge]) {
      qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', name, String(6 * MIB + SECTOR));
      qemuImg('bitmap', '--add', '-g', '512', name, 'fine');
      qemuImg('bitmap', '--add', '-g', '2M', name, 'coarse');
      qemuImg('bitmap', '--add', '--disable', '-g', '64k', name, 'still');
      qemuIo(name, 'qcow2', 'write 300k 10k', 'write 1M 1M', `write ${6 * MIB} 512`);
      qemuImg('bitmap', '--disable', name, 'fine');
    }
    qemuImg('resize', '-q', '-f', 'qcow2', '--shrink', '--preallocation', mode, judge, String(size));
    const image = await edit(path);
    await image.resize!(size, { preallocation: mode, hidesBacking: false });
    await image.finish();
    await image.close();
    qemuImg('check', path);
    expect(await marks(path)).toEqual(await marks(judge));
  });

  it.each([
    [6 * MIB, 'off'],
    [700 * KIB, 'off'],
    [3 * MIB, 'metadata'],
  ] as const)('is the old one or the new one wherever writing fails: %d bytes, %s', async (size, preallocation) => {
    const path = file('original.qcow2');
    const before = new Uint8Array(sample(path, file('scratch'), 2 * MIB, { cluster_size: 512 }));
    const bytes = new Uint8Array(readFileSync(path));
    const resize = async (store: FaultStore) => {
      const context = { ...contextFor('image'), runtimeOptions: { 'l2-cache-size': 1 } };
      const image = await qcow2.edit!(store, { compress: false, flush: true }, context);
      await image.resize!(size, { preallocation, hidesBacking: false });
      await image.finish();
    };
    const whole = new FaultStore('image', bytes.slice());
    await resize(whole);
    const kept = Math.min(size, before.length);
    const step = Math.max(1, Math.floor(whole.changes / 12));
    for (let at = 1; at <= whole.changes; at += step) {
      const store = new FaultStore('image', bytes.slice());
      store.breaksAt = at;
      await expect(resize(store)).rejects.toThrow('No space left on device');
      writeFileSync(path, store.bytes);
      const { status, stdout, stderr } = spawnSync('qemu-img', ['check', path], { encoding: 'utf8' });
      expect(`at ${at}: ${status}: ${stdout}${stderr}`).toMatch(/^at \d+: [03]: /);
      const content = contentOf(path, file('scratch'));
      expect([before.length, size]).toContain(content.length);
      expectSame(content.subarray(0, kept), before.subarray(0, kept));
      if (content.length > before.length)
        expect(content.subarray(before.length).every((byte) => byte === 0)).toBe(true);
    }
  });
});
