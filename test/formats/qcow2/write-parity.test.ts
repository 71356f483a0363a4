/** Byte for byte the file that `qemu-img` writes. */
import { expect, it } from 'vitest';
import type { OptionValues } from '../../../src/image/options.js';
import { openFile } from '../../../src/platform/node/open-file.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';
import { convertRaw, createIn, difference, makeRaw, optionText, type Patch } from './writing.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;

/** One option set a line; every width, cluster size and feature appears. */
const OPTIONS: OptionValues[] = [
  {},
  { cluster_size: 512 },
  { cluster_size: 1024 },
  { cluster_size: 2048 },
  { cluster_size: 4096 },
  { cluster_size: 2 * MIB },
  { refcount_bits: 1 },
  { refcount_bits: 8 },
  { refcount_bits: 64 },
  { cluster_size: 512, refcount_bits: 64 },
  { cluster_size: 512, refcount_bits: 1 },
  { cluster_size: 4096, refcount_bits: 64 },
  { compat: '0.10' },
  { compat: '0.10', cluster_size: 4096 },
  { lazy_refcounts: true },
  { extended_l2: true },
  { extended_l2: true, cluster_size: 16 * KIB },
  { extended_l2: true, cluster_size: 2 * MIB },
  { compression_type: 'zstd' },
];

describeWith(['qemu-img', 'cmp'], 'an empty image', () => {
  const file = scratchDirectory();
  const sizes = [0, 512, 700, MIB, 5 * GIB, TIB];
  const preallocated: OptionValues[] = [
    { preallocation: 'metadata' },
    { preallocation: 'falloc' },
    { preallocation: 'full' },
    { preallocation: 'metadata', cluster_size: 512, refcount_bits: 64 },
    { preallocation: 'falloc', cluster_size: 512, refcount_bits: 64 },
    { preallocation: 'metadata', extended_l2: true },
    { preallocation: 'falloc', extended_l2: true, cluster_size: 256 * KIB },
    { preallocation: 'metadata', compat: '0.10', cluster_size: 1024 },
  ];
  const cases = [
    ...OPTIONS.flatMap((options) => sizes.map((size) => ({ options, size }))),
    ...preallocated.flatMap((options) => [0, 700, MIB, 33 * MIB + 512].map((size) => ({ options, size }))),
    { options: { preallocation: 'metadata' }, size: 5 * GIB },
    { options: { preallocation: 'metadata', cluster_size: 4096 }, size: GIB / 2 },
  ].filter(({ options, size }) => size < 128 * GIB || Number(options.cluster_size ?? 65536) > 4096);

  it.each(cases)('of $size bytes with $options', async ({ options, size }) => {
    const [expected, actual] = [file('expected'), file('actual')];
    qemuImg(
      'create',
      '-q',
      '-f',
      'qcow2',
      ...(Object.keys(options).length ? ['-o', optionText(options)] : []),
      expected,
      String(size),
    );
    const writer = await createIn(await openFile(actual, 'create'), size, options);
    await writer.finish();
    await writer.close();
    expect(difference(expected, actual)).toBe('');
  });
});

describeWith(['qemu-img', 'cmp'], 'a conversion beyond the first refcount block', () => {
  const file = scratchDirectory();
  // Blocks that describe little: one is due every 32 or 128 MiB of the file.
  const cases = [1, 2].flatMap((seed) => [16 * KIB, 32 * KIB].map((cluster_size) => ({ seed, cluster_size })));

  it.each(cases)('of stretches by seed $seed, with clusters of $cluster_size', async ({ seed, cluster_size }) => {
    const [source, expected, actual] = [file('source.raw'), file('expected'), file('actual')];
    const patches: Patch[] = [];
    let at = 12 * KIB * seed;
    for (let index = seed; at < 160 * MIB; index++) {
      const length = (1 + ((index * 7919) % 1900)) * 4 * KIB;
      patches.push({ offset: at, length, fill: 1 + (index % 250) });
      at += length + (1 + ((index * 31) % 40)) * 4 * KIB;
    }
    makeRaw(source, 256 * MIB, patches);
    const options = { cluster_size, refcount_bits: 64 };
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-o', optionText(options), source, expected);
    await convertRaw(source, actual, { options });
    expect(difference(expected, actual)).toBe('');
  });
});

describeWith(['qemu-img', 'cmp'], 'a conversion', () => {
  const file = scratchDirectory();

  const sources: Record<string, { size: number; patches: Patch[] }> = {
    empty: { size: 0, patches: [] },
    sector: { size: 512, patches: [{ offset: 0, length: 512 }] },
    odd: { size: 700, patches: [{ offset: 0, length: 700 }] },
    megabyte: { size: MIB, patches: [{ offset: 0, length: MIB }] },
    full: { size: 9 * MIB + 3 * KIB, patches: [{ offset: 0, length: 9 * MIB + 3 * KIB }] },
    sparse: {
      size: 5 * GIB,
      patches: [
        { offset: 0, length: 3 * MIB },
        { offset: GIB + 12 * KIB, length: 5 * MIB },
        { offset: 5 * GIB - 100 * KIB, length: 100 * KIB },
      ],
    },
    fragmented: {
      size: 24 * MIB,
      patches: Array.from({ length: 110 }, (_, index) => ({
        offset: index * 208 * KIB + (index % 7) * 4 * KIB,
        length: (1 + ((index * 13) % 41)) * 4 * KIB,
      })),
    },
    zeros: {
      size: 8 * MIB,
      patches: Array.from({ length: 250 }, (_, index) => ({
        offset: index * 32 * KIB,
        length: 32 * KIB,
        ...(index % 5 < 2 ? { fill: 0 } : {}),
      })),
    },
  };

  const cases = Object.keys(sources).flatMap((name) => OPTIONS.map((options) => ({ name, options })));
  it.each(cases)('of $name with $options', async ({ name, options }) => {
    const { size, patches } = sources[name]!;
    const [source, expected, actual] = [file(`${name}.raw`), file('expected'), file('actual')];
    makeRaw(source, size, patches);
    const o = Object.keys(options).length ? ['-o', optionText(options)] : [];
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', ...o, source, expected);
    await convertRaw(source, actual, { options });
    expect(difference(expected, actual)).toBe('');
  });
});
