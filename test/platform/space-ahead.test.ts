import { statSync, truncateSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Libc } from '../../src/platform/node/libc.js';
import { openFile } from '../../src/platform/node/open-file.js';
import { SpaceAhead } from '../../src/platform/node/space-ahead.js';
import { scratchDirectory } from '../support/scratch.js';

const MiB = 1024 * 1024;
const KEEP = 1;

/** Only what is asked for; `answers` are taken one a call, then 0. */
function recorder(answers: number[] = []): { libc: Libc; calls: [number, number, number][] } {
  const calls: [number, number, number][] = [];
  const fallocate = (_fd: number, mode: number, offset: number, length: number) => {
    calls.push([mode, offset / MiB, length / MiB]);
    return answers.shift() ?? 0;
  };
  return { libc: { fallocate } as Libc, calls };
}

describe('space ahead of a growing file', () => {
  const scratch = scratchDirectory();

  it('is as much as the file has, 64 MiB at most, and none for short files', () => {
    const { libc, calls } = recorder();
    const ahead = new SpaceAhead(libc, 3);
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
    const { libc, calls } = recorder([-28]);
    const ahead = new SpaceAhead(libc, 3);
    for (let mib = 4; mib < 40; mib++) ahead.prepare(mib * MiB, mib * MiB, (mib + 1) * MiB);
    expect(calls).toEqual([[KEEP, 4, 6]]);
  });

  it('ends where the file was cut', () => {
    const { libc, calls } = recorder();
    const ahead = new SpaceAhead(libc, 3);
    ahead.prepare(8 * MiB, 8 * MiB, 9 * MiB);
    ahead.truncated(9 * MiB);
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
});
