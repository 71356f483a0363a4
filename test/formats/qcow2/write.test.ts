/** New images beyond plain clusters: compression, backing files, data files, bitmaps; and what is refused. */
import { readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { convertImage } from '../../../src/convert/convert.js';
import { qcow2 } from '../../../src/formats/qcow2/index.js';
import type { BitmapStretch, Image, ImageWriter } from '../../../src/image/image.js';
import type { OptionValues } from '../../../src/image/options.js';
import { OverlayImage } from '../../../src/image/overlay.js';
import { openFile } from '../../../src/platform/node/open-file.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuImgError, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';
import {
  contextFor,
  convertRaw,
  convertTo,
  createIn,
  difference,
  kernels,
  makeRaw,
  optionText,
  type Patch,
} from './writing.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Compressible, incompressible and zero stretches, an odd end. */
const MIXED: Patch[] = [
  { offset: 0, length: 3 * MIB, fill: 5 },
  { offset: 3 * MIB, length: MIB },
  { offset: 5 * MIB + 12 * KIB, length: 700 * KIB, fill: 1 },
  { offset: 6 * MIB, length: 90 * KIB },
  { offset: 9 * MIB, length: 33 * KIB, fill: 2 },
];
const MIXED_SIZE = 9 * MIB + 33 * KIB;

function checkAndCompare(source: string, target: string, sourceFormat = 'raw'): void {
  qemuImg('check', target);
  qemuImg('compare', '-f', sourceFormat, '-F', 'qcow2', source, target);
}

describeWith(['qemu-img'], 'a compressed image', () => {
  const file = scratchDirectory();
  const cases: OptionValues[] = [
    {},
    { cluster_size: 512 },
    { cluster_size: 4096, refcount_bits: 64 },
    { cluster_size: 2 * MIB },
    { refcount_bits: 1 },
    { compression_level: 1 },
    { extended_l2: true },
    { compat: '0.10' },
  ];

  it.each(cases)('holds the disk, with %o', async (options) => {
    const [source, target] = [file('source.raw'), file('target.qcow2')];
    makeRaw(source, MIXED_SIZE, MIXED);
    await convertRaw(source, target, { compress: true, options });
    checkAndCompare(source, target);
    expect(statSync(target).size % 512).toBe(0);
  });

  it('packs streams one behind the other, as qemu-img does', async () => {
    const [source, target, expected] = [file('source.raw'), file('target.qcow2'), file('expected.qcow2')];
    makeRaw(source, 32 * MIB, [{ offset: 0, length: 32 * MIB, fill: 9 }]);
    qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', source, expected);
    await convertRaw(source, target, { compress: true });
    checkAndCompare(source, target);
    expect(statSync(target).size).toBeLessThanOrEqual(statSync(expected).size);
  });

  it('is the same file for any number of runs in flight, with writes in any order', async () => {
    const source = file('source.raw');
    makeRaw(source, MIXED_SIZE, MIXED);
    await convertRaw(source, file('one.qcow2'), { compress: true, parallel: 1 });
    for (const outOfOrder of [false, true]) {
      await convertRaw(source, file('many.qcow2'), { compress: true, parallel: 16, outOfOrder });
      expect(difference(file('one.qcow2'), file('many.qcow2'))).toBe('');
    }
  });
});

describeWith(['qemu-img', 'qemu-io'], 'a new image', () => {
  const file = scratchDirectory();

  it('copies a qcow2 source byte for byte as qemu-img does', async () => {
    const [source, expected, actual] = [file('source.qcow2'), file('expected'), file('actual')];
    qemuImg('create', '-q', '-f', 'qcow2', source, '300M');
    qemuIo(
      source,
      'qcow2',
      'write -P 1 0 5M',
      'write -P 2 200M 3M',
      'write -P 3 64k 64k',
      'write -z 1M 1M',
      'write -P 4 299M 1M',
    );
    qemuImg('convert', '-f', 'qcow2', '-O', 'qcow2', source, expected);
    const image = await qcow2.open!(await openFile(source, 'read'), contextFor(source));
    await convertTo(image, actual);
    await image.close();
    expect(difference(expected, actual)).toBe('');
  });

  it.each([{ sparse: 0 }, { sparse: 512 }, { sparse: 64 * KIB }])(
    'is cut into holes as with -S $sparse',
    async ({ sparse }) => {
      const [source, expected, actual] = [file('source.raw'), file('expected'), file('actual')];
      makeRaw(source, MIXED_SIZE, MIXED);
      qemuImg('convert', '-S', String(sparse), '-f', 'raw', '-O', 'qcow2', source, expected);
      await convertRaw(source, actual, { sparse });
      expect(difference(expected, actual)).toBe('');
    },
  );

  it.each([
    { options: {} },
    { options: { data_file_raw: true } },
    { options: { data_file_raw: true, extended_l2: true } },
    { options: { preallocation: 'metadata' } },
    { options: { preallocation: 'falloc' } },
    { options: { cluster_size: 4096 } },
  ])('keeps its data in an external file, with $options', async ({ options }) => {
    const [source, expected, actual] = [file('source.raw'), file('expected'), file('actual')];
    makeRaw(source, MIXED_SIZE, MIXED);
    const name = { data_file: file('data') };
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-o', optionText({ ...options, ...name }), source, expected);
    const expectedData = readFileSync(file('data'));
    await convertRaw(source, actual, { options: { ...options, ...name } });
    expect(difference(expected, actual)).toBe('');
    expect(Buffer.compare(readFileSync(file('data')), expectedData)).toBe(0);
  });

  it.each([
    {},
    { cluster_size: 4096 },
    { extended_l2: true },
    { compat: '0.10' },
    { extended_l2: true, preallocation: 'metadata' },
  ])('hides its backing file where it was told to, with %o', async (options: OptionValues) => {
    const [base, top, target] = [file('base.qcow2'), file('top.qcow2'), file('target.qcow2')];
    qemuImg('create', '-q', '-f', 'qcow2', base, '8M');
    qemuIo(base, 'qcow2', 'write -P 1 0 8M');
    qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', top);
    qemuIo(top, 'qcow2', 'write -P 2 1M 1M', 'write -z 4M 256k', 'write -P 0 5M 256k', 'write -P 3 6M 4k');
    const image = await qcow2.open!(await openFile(top, 'read'), contextFor(top));
    const chain = await qcow2.open!(await openFile(base, 'read'), contextFor(base));
    const expected = file('expected.qcow2');
    await convertTo(new OverlayImage(image, chain), target, {
      options,
      backing: { name: base, format: 'qcow2', size: 8 * MIB },
      targetBacking: { size: 8 * MIB },
    });
    await image.close();
    await chain.close();
    checkAndCompare(top, target, 'qcow2');
    const o = ['-o', optionText({ ...options, backing_file: base, backing_fmt: 'qcow2' })];
    qemuImg('convert', '-f', 'qcow2', '-O', 'qcow2', ...o, top, expected);
    expect(difference(expected, target)).toBe('');
  });

  it('stores bitmaps as qemu-img does', async () => {
    const [source, expected, actual] = [file('source.qcow2'), file('expected'), file('actual')];
    qemuImg('create', '-q', '-f', 'qcow2', source, '300M');
    qemuImg('bitmap', '--add', source, 'first');
    qemuImg('bitmap', '--add', '-g', '512', source, 'second');
    qemuIo(source, 'qcow2', 'write -P 1 0 5M', 'write -P 2 200M 3M', 'write -P 4 299M 1M');
    qemuImg('bitmap', '--add', '--disable', '-g', '2M', source, 'third');
    qemuImg('convert', '--bitmaps', '-f', 'qcow2', '-O', 'qcow2', source, expected);
    const image = await qcow2.open!(await openFile(source, 'read'), contextFor(source));
    const store = await openFile(actual, 'create');
    const writer = await createIn(store, image.size);
    await convertWithBitmaps(image, writer);
    await writer.close();
    await image.close();
    expect(difference(expected, actual)).toBe('');
  });

  async function convertWithBitmaps(image: Image, writer: ImageWriter): Promise<void> {
    const finish = writer.finish.bind(writer);
    writer.finish = async () => {
      for (const bitmap of image.bitmaps ?? []) await writer.addBitmap!(bitmap, image.bitmapContent!(bitmap));
      await finish();
    };
    await convertImage(image, writer, kernels, { parallel: 8, outOfOrder: false, sparse: 4096, targetBacking: null });
  }

  it('records changes in its automatic bitmaps', async () => {
    const path = file('tracked.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', path, '64M');
    qemuImg('bitmap', '--add', path, 'auto');
    qemuIo(path, 'qcow2', 'write -P 1 0 1M');
    qemuImg('bitmap', '--add', '--disable', path, 'still');
    const image = await qcow2.edit!(await openFile(path, 'write'), { compress: false, flush: false }, contextFor(path));
    await image.write(10 * MIB + 5, new Uint8Array(100).fill(1));
    await image.zero(20 * MIB, MIB);
    await image.finish();
    await image.close();
    qemuImg('check', path);
    const changed = await qcow2.open!(await openFile(path, 'read'), contextFor(path));
    expect(changed.bitmaps!.map(({ name, inUse }) => ({ name, inUse }))).toEqual([
      { name: 'auto', inUse: false },
      { name: 'still', inUse: false },
    ]);
    expect(await granulesOf(changed.bitmapContent!(changed.bitmaps![0]!))).toEqual([
      ...Array.from({ length: 16 }, (_, index) => index),
      160,
      ...Array.from({ length: 16 }, (_, index) => 320 + index),
    ]);
    expect(await granulesOf(changed.bitmapContent!(changed.bitmaps![1]!))).toEqual([]);
    await changed.close();
  });

  async function granulesOf(content: AsyncIterable<BitmapStretch>): Promise<number[]> {
    const granules: number[] = [];
    for await (const { start, bits } of content) {
      if (typeof bits === 'string') continue;
      for (let bit = 0; bit < bits.length * 8; bit++) {
        if (bits[bit >> 3]! & (1 << (bit & 7))) granules.push(start / (64 * KIB) + bit);
      }
    }
    return granules;
  }
});

describeWith(['qemu-img'], 'what is refused', () => {
  const file = scratchDirectory();
  const refused: OptionValues[] = [
    { cluster_size: 3000 },
    { cluster_size: 256 },
    { cluster_size: 4 * MIB },
    { refcount_bits: 3 },
    { refcount_bits: 128 },
    { refcount_bits: 8, compat: '0.10' },
    { compat: '2' },
    { compression_type: 'lz4' },
    { compression_type: 'zstd', compat: '0.10' },
    { lazy_refcounts: true, compat: '0.10' },
    { extended_l2: true, cluster_size: 8192 },
    { extended_l2: true, compat: '0.10' },
    { preallocation: 'foo' },
    { data_file_raw: true },
    { backing_fmt: 'raw' },
  ];

  it.each(refused)('%o is refused in the words of qemu-img', async (options) => {
    const said = qemuImgError('create', '-f', 'qcow2', '-o', optionText(options), file('image'), '1M');
    const store = new MemoryStore('image');
    await expect(createIn(store, MIB, options)).rejects.toThrow(said.replace(`${file('image')}: `, ''));
    expect(store.size).toBe(0);
  });

  it('a disk that the L1 table cannot map', async () => {
    await expect(createIn(new MemoryStore('image'), 2 ** 40, { cluster_size: 512 })).rejects.toThrow(
      'Could not resize image: Failed to grow the L1 table: File too large',
    );
  });

  it('encryption, where there is no cryptography', async () => {
    for (const options of [{ 'encrypt.format': 'luks' }, { encryption: true }])
      await expect(createIn(new MemoryStore('image'), MIB, options)).rejects.toThrow(
        'Encrypted images are not supported',
      );
  });
});

describe('editing', () => {
  it('is refused for an image that is marked as corrupt', async () => {
    const store = new MemoryStore('image');
    const writer = await createIn(store, MIB);
    await writer.finish();
    const bytes = store.bytes.slice();
    bytes[79] = 2;
    await expect(
      qcow2.edit!(new MemoryStore('image', bytes), { compress: false, flush: false }, contextFor('image')),
    ).rejects.toThrow('qcow2: Image is corrupt; cannot be opened read/write');
  });

  it('does not allocate over metadata, whatever the refcounts say, but marks the image as corrupt', async () => {
    const store = new MemoryStore('image');
    const writer = await createIn(store, MIB);
    await writer.finish();
    const bytes = store.bytes.slice();
    bytes.fill(0, 2 * 65536, 3 * 65536);
    const damaged = new MemoryStore('image', bytes);
    const image = await qcow2.edit!(damaged, { compress: false, flush: false }, contextFor('image'));
    await expect(image.write(0, new Uint8Array(65536))).rejects.toThrow('Input/output error');
    expect(damaged.bytes[79]).toBe(2);
  });
});
