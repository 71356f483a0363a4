/** What the tests of changing qcow2 images share. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { qcow2 } from '../../../src/formats/qcow2/index.js';
import type { EditRequest } from '../../../src/image/driver.js';
import type { EditableImage } from '../../../src/image/image.js';
import type { OptionValues } from '../../../src/image/options.js';
import { openFile } from '../../../src/platform/node/open-file.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { contextFor, makeRaw, optionText } from './writing.js';

const KIB = 1024;

/** The smallest cache that there is, so that metadata is committed again and again. */
const SMALL_CACHE = { 'l2-cache-size': 1 };

/** Opens a file to be changed. */
export async function edit(file: string, request: Partial<EditRequest> = {}): Promise<EditableImage> {
  const context = { ...contextFor(file), runtimeOptions: SMALL_CACHE };
  return qcow2.edit!(await openFile(file, 'write'), { compress: false, flush: false, ...request }, context);
}

/** What qemu-img reads. */
export function contentOf(file: string, scratch: string, ...snapshot: string[]): Buffer {
  qemuImg('convert', '-f', 'qcow2', '-O', 'raw', ...snapshot, file, scratch);
  return readFileSync(scratch);
}

/** Throws where two disks differ. */
export function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  const differs = Buffer.compare(actual, expected);
  if (differs !== 0) {
    const at = actual.findIndex((byte, index) => byte !== expected[index]);
    throw new Error(`content differs at byte ${at} of ${expected.length}`);
  }
  expect(actual.length).toBe(expected.length);
}

/** A disk with data, zero clusters and compressed clusters, and its content. */
export function sample(file: string, scratch: string, size: number, options: OptionValues): Uint8Array {
  makeRaw(scratch, size, [
    { offset: 0, length: size >> 2 },
    { offset: size >> 1, length: size >> 3, fill: 7 },
  ]);
  const o = Object.keys(options).length ? ['-o', optionText(options)] : [];
  qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', ...o, scratch, file);
  qemuIo(file, 'qcow2', `write -P 9 ${size >> 3} 300k`, `write -P 5 ${(size >> 1) + 128 * KIB} 200k`);
  if (options.compat !== '0.10') qemuIo(file, 'qcow2', `write -z ${size >> 4} 128k`);
  return contentOf(file, scratch);
}
