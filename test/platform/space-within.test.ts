import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openFile } from '../../src/platform/node/open-file.js';
import { Reserver } from '../../src/platform/node/reserver.js';
import { SpaceWithin } from '../../src/platform/node/space-within.js';
import { Random } from '../support/random.js';
import { recordedFallocate } from '../support/recorded-fallocate.js';
import { scratchDirectory } from '../support/scratch.js';

const MiB = 1024 * 1024;
const KEEP = 1;
const PUNCH = 3;

/** A file in MiB, and what is asked of the system for it. */
function recorded(answers: number[] = []) {
  const { libc, calls } = recordedFallocate(answers);
  const within = new SpaceWithin(new Reserver(libc, 3, () => 1e12, 'disk'));
  const write = (from: number, to: number, size = 1000) => {
    for (let at = from; at < to; at++) within.prepare(size * MiB, at * MiB, (at + 1) * MiB);
  };
  return { within, write, calls };
}

describe('space within a file of full length', () => {
  const scratch = scratchDirectory();

  it('is as much as was written in a row, 64 MiB at most, and none for short stretches', () => {
    const { write, calls } = recorded();
    write(0, 3);
    write(100, 240);
    expect(calls).toEqual([
      [KEEP, 103, 5],
      [KEEP, 108, 10],
      [KEEP, 118, 20],
      [KEEP, 138, 40],
      [KEEP, 178, 65],
    ]);
  });

  it('is given back where a hole begins, and at the end', () => {
    const { within, write, calls } = recorded();
    write(0, 5);
    write(6, 11);
    within.release();
    within.release();
    expect(calls).toEqual([
      [KEEP, 3, 5],
      [PUNCH, 5, 3],
      [KEEP, 9, 5],
      [PUNCH, 11, 3],
    ]);
  });

  it('ends where the file does', () => {
    const { within, write, calls } = recorded();
    write(0, 7, 7);
    within.prepare(7 * MiB, 6.5 * MiB, 8 * MiB);
    within.release();
    expect(calls).toEqual([[KEEP, 3, 4]]);
  });

  it('is not given back where something was written in another order', () => {
    const { within, write, calls } = recorded();
    write(0, 4);
    write(5, 7);
    write(4, 5);
    within.release();
    expect(calls).toEqual([
      [KEEP, 3, 5],
      [PUNCH, 4, 4],
    ]);
  });

  it('is not asked for again where there is none, or when it was stopped', () => {
    const full = recorded([-28]);
    full.write(0, 9);
    expect(full.calls).toEqual([
      [KEEP, 3, 5],
      [PUNCH, 4, 4],
    ]);
    const stopped = recorded();
    stopped.within.stop();
    stopped.write(0, 9);
    expect(stopped.calls).toEqual([]);
  });

  it('that cannot be given back is an error that names the file', () => {
    const { write } = recorded([0, -5]);
    write(0, 4);
    expect(() => write(9, 10)).toThrow(expect.objectContaining({ code: 'io', file: 'disk' }));
  });

  it('changes neither content nor use of a file, however it grows and in whatever order it is written', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new Random(seed);
      const path = scratch(`disk${seed}`);
      const expected = Buffer.alloc(64 * MiB);
      const store = await openFile(path, 'create');
      // What lies behind is appended.
      await store.truncate(random.below(40) * MiB);
      const writing: unknown[] = [];
      let front = 0;
      while (front < 40 * MiB) {
        const length = (1 + random.below(20)) * 128 * 1024;
        const kind = random.below(14);
        let at = front;
        if (kind === 0) at += random.below(2) === 0 ? length : 4096 * (1 + random.below(40));
        else if (kind === 1) at = random.below(front / 4096 + 1) * 4096;
        else if (kind === 2) at = Math.max(0, front - Math.floor(length / 2));
        if (kind === 3) {
          await Promise.all(writing);
          await store.zero(at, length);
        } else if (kind === 4) {
          const back = random.below(front / 4096 + 1) * 4096;
          await Promise.all(writing);
          await store.zero(back, length);
          expected.fill(0, back, back + length);
        } else if (kind === 5 && front > 8 * MiB) {
          // A long stretch once more, of which some was appended.
          await Promise.all(writing);
          for (let again = front - 8 * MiB; again < front - 2 * MiB; again += 256 * 1024)
            await store.write(again, expected.subarray(again, again + 256 * 1024).fill(1 + random.below(255)));
        } else {
          await (kind === 1 || kind === 2 ? Promise.all(writing) : undefined);
          writing.push(store.write(at, expected.subarray(at, at + length).fill(1 + random.below(255))));
          front = Math.max(front, at + length);
        }
      }
      await Promise.all(writing);
      await store.close();
      const content = readFileSync(path);
      expect(content.equals(expected.subarray(0, content.length)), `seed ${seed}`).toBe(true);
      let used = 0;
      for (let at = 0; at < content.length; at += 4096) if (content[at] !== 0) used += 4096;
      // Blocks that tell where the others are.
      expect(statSync(path).blocks * 512 - used, `seed ${seed}`).toBeLessThan(256 * 1024);
    }
  });

  it('is not touched in a file that was reserved as a whole, and goes with one that is emptied', async () => {
    const path = scratch('whole');
    const store = await openFile(path, 'create');
    await store.preallocate(32 * MiB, 'falloc');
    for (let at = 0; at < 6; at++) await store.write(at * MiB, new Uint8Array(MiB).fill(1));
    await store.close();
    expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(32 * MiB);

    writeFileSync(path, 'an older image');
    const failed = await openFile(path, 'create');
    await failed.truncate(32 * MiB);
    for (let at = 0; at < 6; at++) await failed.write(at * MiB, new Uint8Array(MiB).fill(1));
    expect(failed.discard()).toBe('emptied');
    await failed.close();
    expect(statSync(path)).toMatchObject({ size: 0, blocks: 0 });
  });
});
