import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { FileStore } from '../../src/platform/node/file-store.js';
import { openFile } from '../../src/platform/node/open-file.js';
import type { StorageExtent } from '../../src/storage/storage.js';
import { describeWith } from '../support/judges.js';
import { qemuImg } from '../support/qemu.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

const block = new Uint8Array(4096).fill(1);

/** A file with data in the blocks at `offsets`. */
function sparseFile(path: string, size: number, offsets: number[]): string {
  const fd = openSync(path, 'w');
  for (const offset of offsets) writeSync(fd, block, 0, block.length, offset);
  ftruncateSync(fd, size);
  closeSync(fd);
  return path;
}

/** Asks until the end; checks that each answer is a prefix in order and of bounded size. */
function allExtents(store: FileStore, start = 0, end = store.size): StorageExtent[] {
  const all: StorageExtent[] = [];
  for (let at = start; at < end; ) {
    const answer = store.extents!(at, end - at);
    expect(answer.length).toBeGreaterThan(0);
    expect(answer.length).toBeLessThanOrEqual(512);
    for (const extent of answer) {
      expect(extent.start).toBe(at);
      expect(extent.length).toBeGreaterThan(0);
      at += extent.length;
      const last = all.at(-1);
      if (last?.hole === extent.hole) last.length += extent.length;
      else all.push({ ...extent });
    }
    expect(at).toBeLessThanOrEqual(end);
  }
  return all;
}

interface MapRow {
  start: number;
  length: number;
  data: boolean;
}

function qemuMap(path: string): StorageExtent[] {
  const rows = JSON.parse(qemuImg('map', '-f', 'raw', '--output=json', path)) as MapRow[];
  return rows.map(({ start, length, data }) => ({ start, length, hole: !data }));
}

describeWith(['qemu-img'], 'extents of files, as qemu-img map has them', () => {
  const scratch = scratchDirectory();

  it.each([
    ['nothing but a hole', 2 ** 40, []],
    ['data at both ends of a terabyte', 2 ** 40, [0, 2 ** 40 - 4096]],
    ['data around 4 GiB', 2 ** 33, [2 ** 32 - 4096, 2 ** 32 + 8192]],
    ['data throughout', 16384, [0, 4096, 8192, 12288]],
  ])('%s', async (_what, size, offsets) => {
    const path = sparseFile(scratch('a.raw'), size, offsets);
    const store = await openFile(path, 'read');
    expect(allExtents(store)).toEqual(qemuMap(path));
    await store.close();
  });

  it('more extents than one answer holds', async () => {
    const random = new Random(5);
    const offsets = new Set<number>();
    while (offsets.size < 1500) offsets.add(random.below(16384) * 8192);
    const path = sparseFile(scratch('many.raw'), 16384 * 8192, [...offsets]);
    const store = await openFile(path, 'read');
    const extents = allExtents(store);
    expect(extents.length).toBeGreaterThan(1500);
    expect(extents).toEqual(qemuMap(path));
    await store.close();
  });

  it('clipped to the range that was asked for', async () => {
    const store = await openFile(sparseFile(scratch('clip.raw'), 2 ** 20, [0, 65536]), 'read');
    expect(store.extents!(1000, 2000)).toEqual([{ start: 1000, length: 2000, hole: false }]);
    expect(allExtents(store, 2000, 67000)).toEqual([
      { start: 2000, length: 2096, hole: false },
      { start: 4096, length: 61440, hole: true },
      { start: 65536, length: 1464, hole: false },
    ]);
    await store.close();
  });

  it('reserved but unwritten space is a hole', async () => {
    qemuImg('create', '-f', 'raw', '-o', 'preallocation=falloc', scratch('f.raw'), '1M');
    const store = await openFile(scratch('f.raw'), 'read');
    expect(allExtents(store)).toEqual(qemuMap(scratch('f.raw')));
    await store.close();
  });

  it('nothing is known without the C library, or of a device', async () => {
    const path = sparseFile(scratch('b.raw'), 65536, [0]);
    const stores = [await openFile(path, 'read', { libc: null }), await openFile('/dev/zero', 'read')];
    for (const store of stores) {
      expect(store.extents).toBeUndefined();
      await store.close();
    }
  });
});
