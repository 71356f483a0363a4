import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openFile } from '../../src/platform/node/open-file.js';
import { Reserver } from '../../src/platform/node/reserver.js';
import { SpaceAhead } from '../../src/platform/node/space-ahead.js';
import { recordedFallocate } from '../support/recorded-fallocate.js';
import { scratchDirectory } from '../support/scratch.js';

const MiB = 1024 * 1024;
const KEEP = 1;
const PLENTY = 1e12;

describe('space ahead of a growing file', () => {
  const scratch = scratchDirectory();

  const fileOf = (size: number) => {
    const path = scratch('file');
    writeFileSync(path, '');
    truncateSync(path, size);
    const fd = openSync(path, 'r+');
    onTestFinished(() => closeSync(fd));
    return fd;
  };

  it('is as much as the file has, 64 MiB at most, and none for short files', () => {
    const { libc, calls } = recordedFallocate();
    const ahead = new SpaceAhead(new Reserver(libc, 3, () => PLENTY));
    for (let mib = 0; mib < 200; mib++) ahead.prepare(mib * MiB, mib * MiB, (mib + 1) * MiB);
    expect(calls).toEqual([
      [KEEP, 3, 5],
      [KEEP, 8, 10],
      [KEEP, 18, 20],
      [KEEP, 38, 40],
      [KEEP, 78, 65],
      [KEEP, 143, 65],
    ]);
  });

  it('is not asked for again where there is none', () => {
    const { libc, calls } = recordedFallocate([-28]);
    const ahead = new SpaceAhead(new Reserver(libc, fileOf(40 * MiB), () => PLENTY));
    for (let mib = 4; mib < 40; mib++) ahead.prepare(mib * MiB, mib * MiB, (mib + 1) * MiB);
    expect(calls).toEqual([[KEEP, 4, 6]]);
  });

  it('is not taken where little is left', () => {
    const { libc, calls } = recordedFallocate();
    const ahead = new SpaceAhead(new Reserver(libc, fileOf(40 * MiB), () => 20 * MiB));
    for (let mib = 4; mib < 40; mib++) ahead.prepare(mib * MiB, mib * MiB, (mib + 1) * MiB);
    expect(calls).toEqual([]);
  });

  it('that cannot be given back is an error that names the file', () => {
    const { libc } = recordedFallocate();
    const fd = openSync(scratch(''), 'r');
    onTestFinished(() => closeSync(fd));
    const ahead = new SpaceAhead(new Reserver(libc, fd, () => PLENTY, 'grown'));
    ahead.prepare(8 * MiB, 8 * MiB, 9 * MiB);
    expect(() => ahead.skip(9 * MiB, 20 * MiB)).toThrow(expect.objectContaining({ code: 'invalid', file: 'grown' }));
  });

  it('ends where the file was cut', () => {
    const { libc, calls } = recordedFallocate();
    const ahead = new SpaceAhead(new Reserver(libc, 3, () => PLENTY));
    ahead.prepare(8 * MiB, 8 * MiB, 9 * MiB);
    ahead.truncated();
    ahead.prepare(9 * MiB, 9 * MiB, 10 * MiB);
    expect(calls.at(-1)).toEqual([KEEP, 9, 11]);
  });

  it('leaves nothing behind in the file, on whatever file system', async () => {
    const path = scratch('grown');
    const store = await openFile(path, 'create');
    for (let mib = 0; mib < 9; mib++) await store.write(mib * MiB, new Uint8Array(MiB).fill(1));
    await store.zero(9 * MiB, 3 * MiB);
    await store.write(13 * MiB, new Uint8Array(MiB).fill(1));
    await store.close();
    const { size, blocks } = statSync(path);
    expect(size).toBe(14 * MiB);
    // holes are holes
    expect(blocks * 512).toBeLessThan(10.5 * MiB);
    // and there is nothing behind the end
    truncateSync(path, size);
    expect(statSync(path).blocks).toBe(blocks);
  });

  it('stays in no short gap, unless that is filled in the end', async () => {
    const path = scratch('gaps');
    const store = await openFile(path, 'create');
    const piece = new Uint8Array(64 * 1024).fill(1);
    for (let mib = 0; mib < 8; mib++) await store.write(mib * MiB, new Uint8Array(MiB).fill(1));
    for (let at = 8 * MiB; at < 40 * MiB; at += 2 * piece.length) await store.write(at + piece.length, piece);
    await store.write(8 * MiB, piece);
    await store.write(10 * MiB + 4096, piece.subarray(0, 8192));
    await store.close();
    expect(statSync(path).blocks * 512).toBeLessThan(24.5 * MiB);
    const content = readFileSync(path);
    for (let at = 0; at < content.length; at += 4096) {
      const block = at - 8 * MiB;
      const isWritten =
        block < piece.length ||
        block % (2 * piece.length) >= piece.length ||
        (block > 2 * MiB && block <= 2 * MiB + 8192);
      expect(content[at], `at ${at}`).toBe(isWritten ? 1 : 0);
    }
  });

  it('is not forgotten when the file grows a little in the end', async () => {
    const path = scratch('rounded');
    const store = await openFile(path, 'create');
    for (let mib = 0; mib < 9; mib++) await store.write(mib * MiB, new Uint8Array(MiB).fill(1));
    await store.truncate(9 * MiB + 65536);
    await store.close();
    expect(statSync(path).size).toBe(9 * MiB + 65536);
    expect(statSync(path).blocks * 512).toBeLessThan(9.5 * MiB);
  });

  it('is no reason to cut a file that grows much', async () => {
    const path = scratch('longer');
    const store = await openFile(path, 'create');
    for (let mib = 0; mib < 9; mib++) await store.write(mib * MiB, new Uint8Array(MiB).fill(1));
    await store.truncate(20 * MiB);
    await store.close();
    expect(statSync(path).size).toBe(20 * MiB);
    expect(statSync(path).blocks * 512).toBeLessThan(9.5 * MiB);
  });

  it('is no reason to fill a file again that was emptied after a failure', async () => {
    const path = scratch('failed');
    writeFileSync(path, 'an older image');
    const store = await openFile(path, 'create');
    for (let mib = 0; mib < 9; mib++) await store.write(mib * MiB, new Uint8Array(MiB).fill(1));
    expect(store.discard()).toBe('emptied');
    await store.close();
    expect(statSync(path)).toMatchObject({ size: 0, blocks: 0 });
  });
});
