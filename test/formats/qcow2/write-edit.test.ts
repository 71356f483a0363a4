/** Changing images in place: against a model in memory, judged by qemu-img. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { convertImage } from '../../../src/convert/convert.js';
import { qcow2 } from '../../../src/formats/qcow2/index.js';
import type { EditableImage, Image } from '../../../src/image/image.js';
import type { OptionValues } from '../../../src/image/options.js';
import { openFile } from '../../../src/platform/node/open-file.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { Random } from '../../support/random.js';
import { scratchDirectory } from '../../support/scratch.js';
import { contentOf, edit, expectSame, sample } from './editing.js';
import { contextFor, kernels, makeRaw, noise, openRaw, optionText } from './writing.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Random writes and zeros, in the image and in the model. */
async function scramble(image: EditableImage, model: Uint8Array, random: Random, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const length = 1 + random.below(index % 4 === 0 ? 700 * KIB : 9 * KIB);
    const offset = random.below(model.length - length);
    if (random.below(3) === 0) {
      await image.zero(offset, length);
      model.fill(0, offset, offset + length);
    } else {
      const bytes = noise(length, random.next());
      await image.write(offset, bytes);
      model.set(bytes, offset);
    }
    if (random.below(10) === 0) {
      const at = random.below(model.length - 4096);
      const read = new Uint8Array(4096);
      await image.read(at, read);
      expectSame(read, model.subarray(at, at + 4096));
    }
    if (random.below(25) === 0) await image.flush();
  }
}

const OPTIONS: OptionValues[] = [
  {},
  { cluster_size: 512 },
  { cluster_size: 4096, refcount_bits: 64 },
  { cluster_size: 4096, refcount_bits: 2 },
  { cluster_size: 2 * MIB },
  { compat: '0.10' },
  { extended_l2: true },
  { lazy_refcounts: true, compression_type: 'zstd' },
];

describeWith(['qemu-img', 'qemu-io'], 'an image that is changed in place', () => {
  const file = scratchDirectory();

  it.each(OPTIONS)('holds what was written, with %o', async (options) => {
    const path = file('image.qcow2');
    const model = new Uint8Array(sample(path, file('scratch'), 8 * MIB + 512, options));
    const image = await edit(path);
    await scramble(image, model, new Random(1), 150);
    await image.finish();
    await image.close();
    qemuImg('check', path);
    expectSame(contentOf(path, file('scratch')), model);
  });

  // Two bits are not enough for compressed clusters that a snapshot shares.
  it.each(OPTIONS.filter(({ refcount_bits }) => refcount_bits !== 2))(
    'keeps its snapshots, with %o',
    async (options) => {
      const path = file('image.qcow2');
      const first = sample(path, file('scratch'), 8 * MIB + 512, options);
      const model = new Uint8Array(first);
      qemuImg('snapshot', '-c', 'one', path);
      for (const round of [1, 2]) {
        const image = await edit(path);
        await scramble(image, model, new Random(round), 60);
        await image.finish();
        await image.close();
        qemuImg('check', path);
        expectSame(contentOf(path, file('scratch')), model);
      }
      expectSame(contentOf(path, file('scratch'), '-l', 'one'), first);
      qemuImg('snapshot', '-a', 'one', path);
      qemuImg('snapshot', '-d', 'one', path);
      qemuImg('check', path);
      expectSame(contentOf(path, file('scratch')), first);
    },
  );

  it.each(OPTIONS)('takes in its backing file, with %o', async (options) => {
    const [base, path] = [file('base.qcow2'), file('overlay.qcow2')];
    const model = new Uint8Array(8 * MIB + 512);
    model.set(sample(base, file('scratch'), 6 * MIB + 512, {}));
    const o = ['-o', optionText({ ...options, backing_file: 'base.qcow2', backing_fmt: 'qcow2' })];
    qemuImg('create', '-q', '-f', 'qcow2', ...o, path, String(model.length));
    const backing = (await qcow2.open!(await openFile(base, 'read'), contextFor(base))) as Image;
    const image = await edit(path, { backing: async () => backing });
    const view = new Uint8Array(model);
    await scrambleOverlay(image, view, new Random(5));
    await image.finish();
    await image.close();
    await backing.close();
    qemuImg('check', path);
    expectSame(contentOf(path, file('scratch')), view);
  });

  it('is repaired first where its refcounts were postponed', async () => {
    const path = file('dirty.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on', path, '64M');
    // The abort keeps the refcounts from being written.
    const written = spawnSync('qemu-io', ['-f', 'qcow2', '-c', 'write -P 1 0 5M', '-c', 'flush', '-c', 'abort', path]);
    expect(written.signal).toBe('SIGABRT');
    const image = await edit(path);
    await image.write(20 * MIB, new Uint8Array(MIB).fill(2));
    await image.finish();
    await image.close();
    qemuImg('check', path);
    qemuIo(path, 'qcow2', 'read -P 1 0 5M', 'read -P 2 20M 1M', 'read -P 0 21M 1M');
  });

  it.each([{ compress: false }, { compress: true }])('is the target of a conversion, %o', async ({ compress }) => {
    const [path, source] = [file('image.qcow2'), file('source.raw')];
    sample(path, file('scratch'), 8 * MIB, {});
    qemuImg('snapshot', '-c', 'one', path);
    makeRaw(source, 8 * MIB, [
      { offset: 20 * KIB, length: 3 * MIB },
      { offset: 5 * MIB + 4 * KIB, length: 100 * KIB, fill: 3 },
    ]);
    const [from, to] = [await openRaw(source), await edit(path, { compress })];
    await convertImage(from, to, kernels, { parallel: 8, outOfOrder: false, sparse: 4096, targetBacking: null });
    await to.close();
    await from.close();
    qemuImg('check', path);
    expectSame(contentOf(path, file('scratch')), readFileSync(source));
  });
});

async function scrambleOverlay(image: EditableImage, model: Uint8Array, random: Random): Promise<void> {
  for (let index = 0; index < 80; index++) {
    const length = 1 + random.below(index % 4 === 0 ? 400 * KIB : 9 * KIB);
    const offset = random.below(model.length - length);
    if (random.below(3) === 0) {
      await image.zero(offset, length);
      model.fill(0, offset, offset + length);
    } else {
      const bytes = noise(length, random.next());
      await image.write(offset, bytes);
      model.set(bytes, offset);
    }
  }
}
