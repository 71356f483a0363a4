/** What the tests of writing qcow2 share: conversions through the real pipeline and storage, and their judges. */
import { spawnSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ConvertOptions, convertImage } from '../../../src/convert/convert.js';
import { qcow2 } from '../../../src/formats/qcow2/index.js';
import { raw } from '../../../src/formats/raw/index.js';
import type { CreateRequest, DriverContext } from '../../../src/image/driver.js';
import type { Image, ImageWriter } from '../../../src/image/image.js';
import type { OptionValues } from '../../../src/image/options.js';
import { createNodeKernels } from '../../../src/platform/node/kernels.js';
import { openFile } from '../../../src/platform/node/open-file.js';
import type { ByteStore } from '../../../src/storage/storage.js';

export const kernels = createNodeKernels({ workers: 0 });

export function contextFor(file: string): DriverContext {
  return { kernels, openReference: (name, mode) => openFile(resolve(dirname(file), name), mode) };
}

/** Bytes that look random and are the same in every run; much faster than a generator in JavaScript. */
export function noise(length: number, seed: number): Uint8Array {
  const key = Buffer.alloc(16, `seed ${seed}`);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** A stretch of data in a sparse file. */
export interface Patch {
  offset: number;
  length: number;
  /** Bytes of this value instead of random ones. */
  fill?: number;
}

/** Makes a sparse raw file of `size` bytes with random data in places. */
export function makeRaw(file: string, size: number, patches: readonly Patch[], seed = 1): void {
  const fd = openSync(file, 'w');
  ftruncateSync(fd, size);
  for (const { offset, length, fill } of patches) {
    const bytes = fill === undefined ? noise(length, seed + offset) : new Uint8Array(length).fill(fill);
    writeSync(fd, bytes, 0, length, offset);
  }
  closeSync(fd);
}

export interface ConvertRequest extends Partial<ConvertOptions> {
  options?: OptionValues;
  compress?: boolean;
  backing?: CreateRequest['backing'];
}

export async function openRaw(file: string): Promise<Image> {
  return raw.open!(await openFile(file, 'read'), contextFor(file));
}

export async function createIn(
  store: ByteStore,
  size: number,
  options: OptionValues = {},
  rest: Partial<CreateRequest> = {},
): Promise<ImageWriter> {
  return qcow2.create!(store, { size, options, compress: false, flush: false, ...rest }, contextFor(store.name));
}

/** Converts `source` to a new qcow2 file, in order, as the command line would. */
export async function convertTo(source: Image, target: string, request: ConvertRequest = {}): Promise<void> {
  const { options = {}, compress = false, backing, ...convertOptions } = request;
  const store = await openFile(target, 'create');
  const rest = { compress, ...(backing ? { backing } : {}) };
  const writer = await createIn(store, source.size, options, rest);
  await convertImage(source, writer, kernels, {
    parallel: 8,
    outOfOrder: false,
    sparse: 4096,
    targetBacking: null,
    ...convertOptions,
  });
  await writer.close();
}

export async function convertRaw(source: string, target: string, request: ConvertRequest = {}): Promise<void> {
  const image = await openRaw(source);
  try {
    await convertTo(image, target, request);
  } finally {
    await image.close();
  }
}

/** `-o` as `qemu-img` takes it. */
export function optionText(options: OptionValues): string {
  const text = (value: OptionValues[string]) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value));
  return Object.entries(options)
    .map(([name, value]) => `${name}=${text(value)}`)
    .join(',');
}

/** Where two files differ first, as `cmp` says it; empty if they are the same. */
export function difference(one: string, other: string): string {
  const { stdout, stderr } = spawnSync('cmp', [one, other], { encoding: 'utf8' });
  return stdout + stderr;
}
