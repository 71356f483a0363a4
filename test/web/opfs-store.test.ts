import { describe, expect, it } from 'vitest';
import { OpfsStore } from '../../src/platform/web/opfs-store.js';

interface FakeFile {
  handle: FileSystemSyncAccessHandle;
  content(): Uint8Array;
  log: string[];
}

/** A sync access handle over memory that never holds more than `quota` bytes and moves at most `most` a call. */
function fakeFile({ quota = 2 ** 40, most = 2 ** 40, stuck = false } = {}): FakeFile {
  let bytes = new Uint8Array(0);
  const log: string[] = [];
  const resize = (size: number) => {
    const next = new Uint8Array(size);
    next.set(bytes.subarray(0, size));
    bytes = next;
  };
  const handle: FileSystemSyncAccessHandle = {
    getSize: () => bytes.length,
    truncate(size) {
      log.push(`truncate ${size}`);
      if (size > quota) throw new DOMException('full', 'QuotaExceededError');
      if (!stuck) resize(size);
    },
    read(into, { at = 0 } = {}) {
      const part = bytes.subarray(at, at + Math.min(into.byteLength, most));
      (into as Uint8Array).set(part);
      return part.length;
    },
    write(from, { at = 0 } = {}) {
      const part = (from as Uint8Array).subarray(0, most);
      log.push(`write ${at}+${part.length}`);
      if (at + part.length > quota) throw new DOMException('full', 'QuotaExceededError');
      if (at + part.length > bytes.length) resize(at + part.length);
      bytes.set(part, at);
      return part.length;
    },
    flush: () => log.push('flush'),
    close: () => log.push('close'),
  };
  return { handle, content: () => bytes, log };
}

describe('OpfsStore', () => {
  it('reads and writes at once, however little a call moves', () => {
    const file = fakeFile({ most: 3 });
    const store = new OpfsStore('x', file.handle, true);
    expect(store.write(2, Uint8Array.of(1, 2, 3, 4, 5))).toBeUndefined();
    expect(store.size).toBe(7);
    const into = new Uint8Array(7);
    expect(store.read(0, into)).toBeUndefined();
    expect([...into]).toEqual([0, 0, 1, 2, 3, 4, 5]);
  });

  it('writes zeros over content and leaves the rest a hole', () => {
    const file = fakeFile();
    const store = new OpfsStore('x', file.handle, true);
    store.write(0, new Uint8Array(1000).fill(7));
    store.zero(600, 3_000_000);
    expect(store.size).toBe(3_000_600);
    expect(
      file
        .content()
        .subarray(0, 600)
        .every((byte) => byte === 7),
    ).toBe(true);
    expect(
      file
        .content()
        .subarray(600)
        .every((byte) => byte === 0),
    ).toBe(true);
    expect(file.log).toEqual(['write 0+1000', 'write 600+400', 'truncate 3000600']);
  });

  it('says that there is no space, in write and in truncate', async () => {
    const store = new OpfsStore('disk.raw', fakeFile({ quota: 100 }).handle, true);
    const noSpace = { code: 'no-space', message: expect.stringMatching(/^No space left on device/), file: 'disk.raw' };
    expect(() => store.write(64, new Uint8Array(64))).toThrow(expect.objectContaining(noSpace));
    await expect(store.truncate(101)).rejects.toMatchObject(noSpace);
    expect(store.size).toBe(0);
  });

  it('notices a truncate that does nothing', async () => {
    const store = new OpfsStore('x', fakeFile({ stuck: true }).handle, true);
    await expect(store.truncate(4096)).rejects.toMatchObject({ code: 'no-space' });
  });

  it('fails to read beyond the end', () => {
    const store = new OpfsStore('x', fakeFile().handle, true);
    store.write(0, new Uint8Array(10));
    expect(() => store.read(8, new Uint8Array(4))).toThrow(expect.objectContaining({ code: 'io', offset: 10 }));
  });

  it('closes once', async () => {
    const file = fakeFile();
    const store = new OpfsStore('x', file.handle, true);
    await store.flush();
    await store.close();
    await store.close();
    expect(file.log).toEqual(['flush', 'close']);
  });

  it('is made in a file that another handle has emptied, if it was not empty', async () => {
    const { handle, log } = fakeFile();
    const file = { name: 'c0ffee', createSyncAccessHandle: async () => handle } as unknown as FileSystemFileHandle;
    const first = await OpfsStore.create(file, 'disk.raw');
    expect(first.name).toBe('disk.raw');
    first.write(0, Uint8Array.of(1, 2));
    await first.close();
    const second = await OpfsStore.create(file);
    expect(second.size).toBe(0);
    expect(second.readsZero).toBe(true);
    expect(log).toEqual(['write 0+2', 'close', 'truncate 0', 'close']);
  });

  it('says that another tab holds the file', async () => {
    const createSyncAccessHandle = () => Promise.reject(new DOMException('held', 'NoModificationAllowedError'));
    const file = { name: 'x', createSyncAccessHandle } as unknown as FileSystemFileHandle;
    await expect(OpfsStore.create(file)).rejects.toMatchObject({ code: 'locked', file: 'x' });
    await expect(OpfsStore.open(file)).rejects.toMatchObject({ code: 'locked', file: 'x' });
  });
});
