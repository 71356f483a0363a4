/** The formats in their variants: how an image of each is named to qemu-img and to us, and how it is made. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deflateSync } from 'node:zlib';
import type { OptionValues } from '../../src/image/options.js';
import { convert } from '../../src/platform/node/index.js';
import { buildDmg, type ChunkSpec, TYPES, zlibChunk } from '../formats/dmg/build.js';

const KIB = 1024;
const GIB = KIB ** 3;
const TIB = KIB ** 4;

export const PASSPHRASE = 'astrochicken';
/** What makes qemu-img know it. */
export const SECRET = ['--object', `secret,id=sec0,data=${PASSPHRASE}`];

const run = promisify(execFile);

/** What it prints. Throws for any exit code but 0. */
export async function qemuImg(...args: string[]): Promise<string> {
  const { stdout } = await run('qemu-img', args, { maxBuffer: 1 << 26 });
  return stdout;
}

export interface Variant {
  name: string;
  format: string;
  /** Create options. */
  options: OptionValues;
  compress?: boolean;
  /** Whether it can have a backing file, of every format or of its own only. */
  backing?: 'any' | 'own';
  /** Its disks get larger than asked for, to be whole cylinders. */
  roundsUp?: boolean;
  /** Largest disk in bytes; absent: larger than any that is tried. */
  most?: number;
  /** Every byte of the disk is stored. */
  isFull?: boolean;
  /** qemu-img does not know its holes, or only one by one: to compare a vast disk takes it very long. */
  isOpaque?: boolean;
  /** qemu-img fails to write it where the disk is not whole clusters. */
  isOurs?: boolean;
  /** There are no disks of no bytes. */
  neverEmpty?: boolean;
}

function variants(format: string, rows: [name: string, more?: Partial<Variant>][], common: Partial<Variant> = {}) {
  return rows.map(
    ([name, more]): Variant => ({ format, options: {}, ...common, ...more, name: `${format} ${name}`.trim() }),
  );
}

/** All that qemu-img and we can both write. */
export const WRITABLE: readonly Variant[] = [
  ...variants('raw', [['']]),
  ...variants(
    'qcow2',
    [
      [''],
      ['0.10', { options: { compat: '0.10' } }],
      ['zlib', { compress: true }],
      ['zstd', { compress: true, options: { compression_type: 'zstd' } }],
      ['extended', { options: { extended_l2: true, cluster_size: 128 * KIB } }],
      ['small', { options: { cluster_size: 512, refcount_bits: 1 }, most: 64 * GIB }],
    ],
    { backing: 'any' },
  ),
  ...variants(
    'vmdk',
    [
      ['monolithicSparse', { backing: 'own', options: { subformat: 'monolithicSparse' } }],
      ['twoGbMaxExtentSparse', { options: { subformat: 'twoGbMaxExtentSparse' } }],
      ['monolithicFlat', { options: { subformat: 'monolithicFlat' } }],
      ['twoGbMaxExtentFlat', { options: { subformat: 'twoGbMaxExtentFlat' } }],
      ['streamOptimized', { options: { subformat: 'streamOptimized' } }],
    ],
    { most: 2 * TIB, neverEmpty: true, isOpaque: true },
  ),
  ...variants('vdi', [[''], ['static', { options: { static: true } }]]),
  ...variants(
    'vpc',
    [
      ['', { roundsUp: true }],
      ['exact', { options: { force_size: true } }],
      ['fixed', { options: { subformat: 'fixed', force_size: true } }],
    ],
    { most: 2040 * GIB, neverEmpty: true },
  ),
  ...variants('vhdx', [[''], ['fixed', { options: { subformat: 'fixed' } }]], {
    neverEmpty: true,
    isOpaque: true,
  }),
  ...variants('qed', [['']], { backing: 'any', neverEmpty: true }),
  ...variants('qcow', [[''], ['zlib', { compress: true, isOurs: true }]], {
    isOpaque: true,
    backing: 'any',
    neverEmpty: true,
  }),
  // from 1 TiB on qemu-img cannot compare them: it fails or aborts
  ...variants('parallels', [['']], { isOpaque: true }),
  ...variants('luks', [['', { options: { 'key-secret': 'sec0', 'iter-time': 10 } }]], { isFull: true }),
];

/** What is read only: built here, from the bytes of the disk. */
export const READ_ONLY: readonly (Variant & { build(disk: Buffer): Buffer })[] = [
  { name: 'dmg', format: 'dmg', options: {}, build: dmgOf },
  { name: 'cloop', format: 'cloop', options: {}, build: cloopOf },
  { name: 'bochs', format: 'bochs', options: {}, build: bochsOf },
];

/** The name that says all of an image: fixed VHDs are not found, and LUKS needs its key. */
export function nameOf({ format, options }: Pick<Variant, 'format' | 'options'>, file: string): string {
  const key = format === 'luks' ? { 'key-secret': options['key-secret'] } : {};
  return `json:${JSON.stringify({ driver: format, ...key, file: { driver: 'file', filename: file } })}`;
}

/** As `-o` takes them. */
export function optionText(options: OptionValues): string[] {
  const entries = Object.entries(options).map(([key, value]) => `${key}=${value === true ? 'on' : value}`);
  return entries.length === 0 ? [] : ['-o', entries.join(',')];
}

/** Our conversion, in this process. */
export async function convertByUs(
  source: string,
  { format, options, compress = false }: Variant,
  target: string,
  more: Parameters<typeof convert>[2] = {},
): Promise<void> {
  const secrets = { sec0: PASSPHRASE };
  await convert(source, target, { format, options, compress, secrets, workers: 0, ...more });
}

/** Chunks of 1 MiB; those of zeros are not stored. */
function dmgOf(disk: Buffer): Buffer {
  const chunks: ChunkSpec[] = [];
  for (let at = 0; at < disk.length; at += KIB * KIB) {
    const part = disk.subarray(at, at + KIB * KIB);
    const isZero = part.every((byte) => byte === 0);
    chunks.push(isZero ? { type: TYPES.zero, sectors: part.length / 512 } : zlibChunk(part));
  }
  return buildDmg({ chunks }).image;
}

/** Blocks of 64 KiB: the disk is made of whole ones. */
export function cloopOf(disk: Buffer): Buffer {
  const block = 64 * KIB;
  const count = Math.ceil(disk.length / block);
  const header = Buffer.alloc(136 + 8 * (count + 1));
  header.write('#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n');
  header.writeUInt32BE(block, 128);
  header.writeUInt32BE(count, 132);
  const streams: Buffer[] = [];
  let offset = header.length;
  for (let index = 0; index <= count; index++) {
    header.writeBigUInt64BE(BigInt(offset), 136 + 8 * index);
    if (index === count) break;
    const whole = Buffer.alloc(block);
    disk.copy(whole, 0, index * block);
    streams.push(deflateSync(whole));
    offset += streams.at(-1)!.length;
  }
  return Buffer.concat([header, ...streams]);
}

/** Extents of 64 KiB, backwards in the file; those of zeros are not stored, and of the others no sectors of zeros. */
export function bochsOf(disk: Buffer): Buffer {
  const extent = 64 * KIB;
  const count = Math.max(1, Math.ceil(disk.length / extent));
  const header = Buffer.alloc(512 + 4 * count);
  header.write('Bochs Virtual HD Image');
  header.write('Redolog', 32);
  header.write('Growing', 48);
  for (const [index, value] of [2 << 16, 512, count, 512, extent].entries())
    header.writeUInt32LE(value, 64 + 4 * index);
  header.writeBigUInt64LE(BigInt(disk.length), 88);
  const stored: Buffer[] = [];
  for (let index = count - 1; index >= 0; index--) {
    const sectors = Buffer.alloc(512 + extent);
    disk.copy(sectors, 512, index * extent);
    const isUsed = (sector: number) =>
      sectors.subarray(512 * (sector + 1), 512 * (sector + 2)).some((byte) => byte !== 0);
    for (let sector = 0; sector < extent / 512; sector++)
      if (isUsed(sector)) sectors[sector >> 3]! |= 1 << (sector & 7);
    const isEmpty = sectors.subarray(0, 512).every((byte) => byte === 0);
    header.writeUInt32LE(isEmpty ? 0xffffffff : stored.length, 512 + 4 * index);
    if (!isEmpty) stored.push(sectors);
  }
  return Buffer.concat([header, ...stored]);
}

/** Makes an image of the raw file `disk` by whatever can; the file has the variant's name. Returns its own name. */
export async function makeImage(variant: Variant, disk: string, directory: string): Promise<string> {
  const { name, format, options, compress, isOurs } = variant;
  const file = join(directory, `source-${name.replaceAll(' ', '-')}.${format}`);
  const builder = READ_ONLY.find((each) => each === variant);
  if (builder !== undefined) {
    const bytes = readFileSync(disk);
    const whole = Buffer.alloc(Math.ceil(bytes.length / 512) * 512);
    bytes.copy(whole);
    writeFileSync(file, builder.build(whole));
  } else if (isOurs === true) await convertByUs(disk, variant, file, { sourceFormat: 'raw' });
  else {
    const more = [...(compress === true ? ['-c'] : []), ...optionText(options)];
    await qemuImg('convert', ...SECRET, '-f', 'raw', '-O', format, ...more, disk, file);
  }
  return file;
}
