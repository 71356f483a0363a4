/** Disks of every kind, as raw files. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { makeRaw, noise } from '../formats/qcow2/writing.js';
import { text } from '../support/content.js';
import { Random } from '../support/random.js';

const KIB = 1024;
const MIB = KIB * KIB;

export interface Content {
  name: string;
  /** Bytes, which need not be whole sectors. */
  size: number;
  write(file: string): void;
}

function put(file: string, size: number, parts: [offset: number, bytes: Uint8Array][]): void {
  const fd = openSync(file, 'w');
  for (const [offset, bytes] of parts) writeSync(fd, bytes, 0, bytes.length, offset);
  ftruncateSync(fd, size);
  closeSync(fd);
}

/** Something of everything, ending within a cluster of every size. */
export const MIXED: Content = {
  name: 'mixed',
  size: 5 * MIB + 37 * 512,
  write: (file) =>
    put(file, MIXED.size, [
      [0, text(new Random(1), 300 * KIB)],
      [MIB - 4096, noise(200 * KIB, 2)],
      [2 * MIB + 512, noise(512, 3)],
      [3 * MIB, new Uint8Array(256 * KIB)],
      [4 * MIB - 65536, text(new Random(4), 128 * KIB)],
      [MIXED.size - 512, noise(512, 5)],
    ]),
};

const SPARSE_PATCHES = [
  { offset: 0, length: 512 },
  { offset: 3 * MIB + 4096, length: 70_000 },
  { offset: 17 * MIB - 3 * 512, length: 4096 },
  { offset: 39 * MIB, length: MIB },
];

/** Each but the first and the last is whole sectors. */
export const CONTENTS: readonly Content[] = [
  {
    name: 'odd',
    size: 2 * MIB + 700,
    write: (file) => makeRaw(file, 2 * MIB + 700, [{ offset: MIB - 100, length: MIB + 800 }]),
  },
  { name: 'sparse', size: 40 * MIB, write: (file) => makeRaw(file, 40 * MIB, SPARSE_PATCHES) },
  { name: 'full', size: 6 * MIB, write: (file) => makeRaw(file, 6 * MIB, [{ offset: 0, length: 6 * MIB }]) },
  { name: 'compressible', size: 6 * MIB, write: (file) => put(file, 6 * MIB, [[0, text(new Random(7), 6 * MIB)]]) },
  { name: 'zeros', size: 9 * MIB, write: (file) => put(file, 9 * MIB, [[0, new Uint8Array(4 * MIB)]]) },
  { name: 'empty', size: 0, write: (file) => put(file, 0, []) },
];
