import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { raw } from '../../src/formats/raw/index.js';
import type { DriverContext } from '../../src/image/driver.js';
import { libc } from '../../src/platform/node/libc.js';
import { openFile } from '../../src/platform/node/open-file.js';
import { PlainKernels } from '../support/plain-kernels.js';
import { Random } from '../support/random.js';
import { rejection } from '../support/rejection.js';
import { scratchDirectory } from '../support/scratch.js';

const MiB = 1024 * 1024;

/** Only root may make devices and mounts, and not in every container. */
const mayAttach =
  spawnSync('losetup', ['--find']).status === 0 && process.geteuid?.() === 0 && existsSync('/dev/loop0');
const mayMount = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;

const context: DriverContext = {
  kernels: new PlainKernels(),
  openReference: () => Promise.reject(new Error('raw images name no files')),
};

describe.skipIf(!mayAttach).each(libc() === null ? [null] : [libc(), null])(
  'a block device (C library: %o)',
  (library) => {
    const scratch = scratchDirectory();
    let device = '';

    beforeAll(() => {
      writeFileSync(scratch('backing'), new Random(1).bytes(4 * MiB));
      const attached = spawnSync('losetup', ['--find', '--show', scratch('backing')], { encoding: 'utf8' });
      if (attached.status !== 0) throw new Error(attached.stderr);
      device = attached.stdout.trim();
    });
    afterAll(() => {
      if (device !== '') spawnSync('losetup', ['--detach', device]);
    });

    it('has a fixed size and old content', async () => {
      const store = await openFile(device, 'create', { libc: library });
      expect(store).toMatchObject({ size: 4 * MiB, fixedSize: true, readsZero: false, extents: undefined });
      expect((await rejection(() => store.truncate(5 * MiB))).message).toBe('Cannot grow device files');
      expect((await rejection(() => store.truncate(3 * MiB))).message).toBe('Cannot resize device files');
      const first = new Uint8Array(512);
      await store.read(0, first);
      expect(first).toEqual(new Random(1).bytes(512));
      expect(store.discard()).toBe('left');
      await store.close();
    });

    it.each(['writeback', 'none'] as const)('takes a raw image, zeros included (cache %s)', async (cache) => {
      const store = await openFile(device, 'create', { libc: library, cache });
      const request = { size: 2 * MiB, options: {}, compress: false, flush: true };
      const writer = await raw.create!(store, request, context);
      expect(writer).toMatchObject({ size: 2 * MiB, readsZero: false });
      const bytes = new Random(2).bytes(MiB);
      const write = await writer.place({
        offset: 0,
        length: 2 * MiB,
        pieces: [
          { kind: 'zero', offset: 0, length: 512 },
          { kind: 'data', offset: 512, length: MiB, bytes },
          { kind: 'zero', offset: MiB + 512, length: MiB - 512 },
        ],
      });
      await write!();
      await writer.finish();
      await writer.close();
      const expected = new Random(1).bytes(4 * MiB).fill(0, 0, 2 * MiB);
      expected.set(bytes, 512);
      expect(readFileSync(device).equals(expected)).toBe(true);
    });
  },
);

describe.skipIf(!mayMount)('a full file system', () => {
  const scratch = scratchDirectory();

  it('is told of, whichever way it fills up', async () => {
    mkdirSync(scratch('small'));
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', scratch('small')]);
    try {
      const store = await openFile(scratch('small/disk'), 'create');
      const full = { code: 'no-space', message: expect.stringMatching(/No space left on device$/) };
      await store.truncate(64 * MiB);
      expect(await rejection(() => store.write(0, new Uint8Array(2 * MiB).fill(1)))).toMatchObject(full);
      expect(await rejection(() => store.write(3 * MiB, new Uint8Array(4096).fill(1)))).toMatchObject(full);
      await store.truncate(0);
      for (const mode of ['falloc', 'full'] as const) {
        expect(await rejection(() => store.preallocate(2 * MiB, mode))).toMatchObject(full);
        expect(store.size).toBe(0);
      }
      expect(store.discard()).toBe('removed');
      await store.close();
    } finally {
      spawnSync('umount', [scratch('small')]);
    }
  });
});
