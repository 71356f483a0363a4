import { closeSync, constants, openSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FileStore } from '../../src/platform/node/file-store.js';
import { libc } from '../../src/platform/node/libc.js';
import { type CacheMode, openFile } from '../../src/platform/node/open-file.js';
import { Random } from '../support/random.js';
import { rejection } from '../support/rejection.js';
import { scratchDirectory } from '../support/scratch.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const TiB = 1024 * 1024 * MiB;

function shared(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}

/** Compares at the speed of memcmp; `toEqual` takes seconds a megabyte. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length);
  expect(Buffer.compare(actual, expected)).toBe(0);
}

async function readBack(store: FileStore, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length).fill(0xee);
  await store.read(offset, bytes);
  return bytes;
}

const native = libc();

/** tmpfs has direct I/O only since Linux 6.6. */
function hasDirectIo(): boolean {
  const path = join(tmpdir(), `diskloom-direct-${process.pid}`);
  writeFileSync(path, '');
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_DIRECT));
    return true;
  } catch {
    return false;
  } finally {
    rmSync(path);
  }
}

const bufferedModes: CacheMode[] = ['writethrough', 'writeback', 'unsafe'];
const cacheModes: CacheMode[] = hasDirectIo() ? ['none', 'directsync', ...bufferedModes] : bufferedModes;
const libraries = native === null ? [null] : [native, null];

describe.each(libraries)('a file as storage (C library: %o)', (library) => {
  const scratch = scratchDirectory();
  const options = { libc: library };

  it.each([1, 4096, 64 * KiB, 64 * KiB + 1, 3 * MiB])('gives back %i bytes, also in shared memory', async (length) => {
    const store = await openFile(scratch(`back-${length}`), 'create', options);
    const bytes = shared(length);
    bytes.set(new Random(length).bytes(length));
    await store.write(12345, bytes);
    expect(store.size).toBe(12345 + length);
    expectSame(await readBack(store, 12345, length), new Uint8Array(bytes));
    expectSame(await readBack(store, 0, 12345), new Uint8Array(12345));
    const wasm = new Uint8Array(new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true }).buffer, 100, length);
    await store.read(12345, wasm);
    expectSame(wasm, bytes);
    await store.close();
  });

  it('takes many transfers at a time', async () => {
    const store = await openFile(scratch('many'), 'create', options);
    const blocks = Array.from({ length: 40 }, (_, index) => new Uint8Array(100 * KiB).fill(index + 1));
    await Promise.all(blocks.map((block, index) => store.write(index * block.length, block)));
    const read = await Promise.all(blocks.map((block, index) => readBack(store, index * block.length, block.length)));
    for (const [index, block] of blocks.entries()) expectSame(read[index]!, block);
    await store.close();
  });

  it('reaches beyond a terabyte and stays sparse', async () => {
    const store = await openFile(scratch('huge'), 'create', options);
    await store.truncate(TiB + 512);
    const bytes = new Random(1).bytes(4096);
    for (const offset of [2 ** 31 - 100, 2 ** 32 - 2048, TiB - 5000]) {
      await store.write(offset, bytes);
      expectSame(await readBack(store, offset, bytes.length), bytes);
    }
    expect(store.allocated()).toBeLessThan(MiB);
    expect(statSync(scratch('huge')).size).toBe(TiB + 512);
    await store.close();
  });

  it('does not read beyond its end, nor what has gone', async () => {
    writeFileSync(scratch('short'), new Uint8Array(MiB));
    const store = await openFile(scratch('short'), 'read', options);
    const io = { code: 'io', message: 'Input/output error' };
    expect(await rejection(() => store.read(MiB - 10, new Uint8Array(11)))).toMatchObject(io);
    truncateSync(scratch('short'), 300 * KiB);
    for (const length of [4 * KiB, 256 * KiB])
      expect(await rejection(() => store.read(298 * KiB, new Uint8Array(length)))).toMatchObject(io);
    await store.close();
  });

  it('zeros what was written, grows over what was not', async () => {
    const store = await openFile(scratch('zero'), 'create', options);
    const content = new Random(2).bytes(MiB);
    await store.write(0, content);
    await store.zero(5000, 600 * KiB);
    content.fill(0, 5000, 5000 + 600 * KiB);
    expectSame(await readBack(store, 0, MiB), content);
    const used = store.allocated();
    if (library !== null) expect(used).toBeLessThan(512 * KiB);
    await store.zero(MiB, 2 ** 33);
    expect(store.size).toBe(MiB + 2 ** 33);
    expect(statSync(scratch('zero')).size).toBe(MiB + 2 ** 33);
    expect(store.allocated()).toBe(used);
    await store.zero(MiB - 100, 200);
    content.fill(0, MiB - 100);
    expectSame(await readBack(store, 0, MiB), content);
    await store.close();
  });

  it('zeros in an existing file, also over its end', async () => {
    writeFileSync(scratch('old'), new Uint8Array(10000).fill(7));
    const store = await openFile(scratch('old'), 'write', options);
    expect(store.readsZero).toBe(false);
    await store.zero(9000, 5000);
    await store.close();
    const expected = new Uint8Array(14000).fill(7, 0, 9000);
    expectSame(new Uint8Array(readFileSync(scratch('old'))), expected);
  });

  it('shrinks and grows with zeros', async () => {
    const store = await openFile(scratch('size'), 'create', options);
    await store.write(0, new Uint8Array(20000).fill(9));
    await store.truncate(10000);
    expect(store.size).toBe(10000);
    await store.truncate(30000);
    await store.zero(12000, 1000);
    const expected = new Uint8Array(30000).fill(9, 0, 10000);
    expectSame(await readBack(store, 0, 30000), expected);
    await store.close();
  });

  it.each(['falloc', 'full'] as const)('reserves space: %s', async (mode) => {
    const store = await openFile(scratch(mode), 'create', options);
    await store.preallocate(3 * MiB + 512, mode);
    expect(store.size).toBe(3 * MiB + 512);
    expect(store.allocated()).toBeGreaterThanOrEqual(3 * MiB + 512);
    expect(store.readsZero).toBe(true);
    expectSame(await readBack(store, 0, store.size), new Uint8Array(3 * MiB + 512));
    await store.close();
  });

  it('keeps what is there when it reserves more', async () => {
    const store = await openFile(scratch('more'), 'create', options);
    await store.write(0, new Uint8Array(5000).fill(3));
    await store.preallocate(9000, 'full');
    expectSame(await readBack(store, 0, 9000), new Uint8Array(9000).fill(3, 0, 5000));
    await store.close();
  });

  it('tells of a full device', async () => {
    const store = await openFile('/dev/full', 'write', options);
    const full = { code: 'no-space', message: 'No space left on device', file: '/dev/full' };
    expect(await rejection(() => store.write(0, new Uint8Array(512)))).toMatchObject(full);
    expect(await rejection(() => store.write(0, new Uint8Array(MiB)))).toMatchObject(full);
    expect(store.size).toBe(0);
    await store.close();
  });

  it('has no size to change if it is a device', async () => {
    const store = await openFile('/dev/null', 'create', options);
    expect(store).toMatchObject({ size: 0, readsZero: false, fixedSize: true });
    expect(store.discard()).toBe('left');
    expect((await rejection(() => store.truncate(512))).message).toBe('Cannot grow device files');
    expect((await rejection(() => store.preallocate(512, 'falloc'))).message).toBe(
      "Unsupported preallocation mode 'falloc'",
    );
    await store.truncate(0);
    await store.close();
  });

  it('takes hints, and refuses one beyond 32 bits', async () => {
    const store = await openFile(scratch('hints'), 'create', options);
    store.hint({ nocow: true, extentSize: 65536 });
    expect((await rejection(() => store.hint({ extentSize: 2 ** 32 }))).message).toBe('Extent size hint is too large');
    await store.close();
  });

  it.each(cacheModes)('works with cache mode %s', async (cache) => {
    const store = await openFile(scratch(cache), 'create', { ...options, cache });
    const content = new Random(3).bytes(300 * KiB + 700);
    const memory = new Uint8Array(new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true }).buffer);
    for (let at = 0; at < content.length; at += 64 * KiB) {
      // Page-aligned memory first, then memory at an odd address.
      const chunk = content.subarray(at, at + 64 * KiB);
      const view = memory.subarray(at % (128 * KiB) === 0 ? 4096 : 4097).subarray(0, chunk.length);
      view.set(chunk);
      await store.write(at, view);
    }
    await store.flush();
    const aligned = memory.subarray(8192, 8192 + 256 * KiB);
    await store.read(0, aligned);
    expectSame(aligned, content.subarray(0, 256 * KiB));
    expectSame(await readBack(store, 0, content.length), content);
    await store.close();
    expectSame(new Uint8Array(readFileSync(scratch(cache))), content);
  });

  it('can be closed twice', async () => {
    const store = await openFile(scratch('twice'), 'create', options);
    await store.close();
    await store.close();
    closeSync(openSync(scratch('twice'), 'r'));
  });
});

describe('copy offload', () => {
  const scratch = scratchDirectory();

  it('copies within the kernel, also over chunks and odd ends', async () => {
    if (native === null) throw new Error('koffi is not installed');
    const content = new Random(4).bytes(2 * MiB);
    writeFileSync(scratch('from'), content);
    const from = await openFile(scratch('from'), 'read');
    const to = await openFile(scratch('to'), 'create');
    await to.copyRange(from, 1000, 5000, MiB + 77);
    expect(to.size).toBe(5000 + MiB + 77);
    expectSame(await readBack(to, 5000, MiB + 77), content.slice(1000, 1000 + MiB + 77));
    const beyond = await rejection(() => to.copyRange(from, 2 * MiB - 10, 0, 20));
    expect(beyond.code).toBe('unsupported');
    await from.close();
    await to.close();
  });

  it('is unsupported from a device, and without the C library', async () => {
    const from = await openFile('/dev/zero', 'read');
    const to = await openFile(scratch('to2'), 'create');
    expect((await rejection(() => to.copyRange(from, 0, 0, 4096))).code).toBe('unsupported');
    const plain = await openFile(scratch('to3'), 'create', { libc: null });
    expect((await rejection(() => plain.copyRange(from, 0, 0, 4096))).code).toBe('unsupported');
    for (const store of [from, to, plain]) await store.close();
  });
});

describe('the C library', () => {
  it('is there on 64-bit Linux where koffi is installed', () => {
    expect(native === null).toBe(process.platform !== 'linux');
  });
});
