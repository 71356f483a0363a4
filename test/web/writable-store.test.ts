import { describe, expect, it } from 'vitest';
import { WritableStore } from '../../src/platform/web/writable-store.js';

const MIB = 1024 * 1024;

interface FakeStream {
  stream: FileSystemWritableFileStream;
  log: string[];
  content(): Uint8Array;
}

/** A stream over memory; `failAt` is the number of the write (from 1) that fails. */
function fakeStream({ failAt = 0 } = {}): FakeStream {
  let bytes = new Uint8Array(0);
  let writes = 0;
  const log: string[] = [];
  const grow = (size: number) => {
    const next = new Uint8Array(size);
    next.set(bytes.subarray(0, size));
    bytes = next;
  };
  const stream = {
    async write({ position, data }: { position: number; data: Uint8Array }) {
      log.push(`write ${position}+${data.length}`);
      if (++writes === failAt) throw new DOMException('full', 'QuotaExceededError');
      // The browser takes the bytes some time later: they must not have changed by then.
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (position + data.length > bytes.length) grow(position + data.length);
      bytes.set(data, position);
    },
    async truncate(size: number) {
      log.push(`truncate ${size}`);
      grow(size);
    },
    async close() {
      log.push('close');
    },
    async abort() {
      log.push('abort');
    },
  } as unknown as FileSystemWritableFileStream;
  return { stream, log, content: () => bytes };
}

describe('WritableStore', () => {
  it('joins neighbouring writes into 8 MiB', async () => {
    const { stream, log, content } = fakeStream();
    const store = new WritableStore('x', stream);
    const expected = new Uint8Array(20 * MIB);
    for (let at = 0; at < expected.length; at += 512 * 1024) expected.fill(1 + at / (512 * 1024), at, at + 512 * 1024);
    const piece = new Uint8Array(512 * 1024);
    for (let at = 0; at < expected.length; at += piece.length) {
      piece.set(expected.subarray(at, at + piece.length));
      await store.write(at, piece);
    }
    await store.close();
    expect(log).toEqual([`write 0+${8 * MIB}`, `write ${8 * MIB}+${8 * MIB}`, `write ${16 * MIB}+${4 * MIB}`, 'close']);
    expect(Buffer.compare(content(), expected)).toBe(0);
  });

  it('keeps the order of overlapping calls to the same place', async () => {
    const { stream, content } = fakeStream();
    const store = new WritableStore('x', stream);
    await Promise.all([
      store.write(0, Uint8Array.of(1, 1, 1)),
      store.write(100, Uint8Array.of(2)),
      store.write(1, Uint8Array.of(3)),
    ]);
    await store.close();
    expect([...content().subarray(0, 3), content()[100]]).toEqual([1, 3, 1, 2]);
  });

  it('makes holes of zeros beyond the end and writes those before it', async () => {
    const { stream, log, content } = fakeStream();
    const store = new WritableStore('x', stream);
    await store.write(0, new Uint8Array(1000).fill(9));
    await store.zero(500, 10_000);
    await store.zero(10_500, 500);
    expect(store.size).toBe(11_000);
    await store.close();
    expect(log).toEqual(['write 0+1000', 'write 500+500', 'truncate 11000', 'close']);
    expect(content().length).toBe(11_000);
    expect(content()[499]).toBe(9);
    expect(
      content()
        .subarray(500)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  it('tells of a failed write at the next chance and gives the file up when it is closed', async () => {
    const { stream, log } = fakeStream({ failAt: 1 });
    const store = new WritableStore('disk.raw', stream);
    await store.write(0, new Uint8Array(10));
    await expect(store.flush()).rejects.toMatchObject({ code: 'no-space', file: 'disk.raw', offset: 0 });
    await expect(store.close()).rejects.toMatchObject({ code: 'no-space' });
    store.abandon();
    await store.close();
    expect(log).toEqual(['write 0+10', 'abort']);
  });

  it('writes nothing more once it is abandoned', async () => {
    const { stream, log } = fakeStream();
    const store = new WritableStore('x', stream);
    await store.write(0, new Uint8Array(10));
    store.abandon();
    await store.close();
    expect(log).toEqual(['abort']);
  });

  it('tells that the slow part begins', async () => {
    const { stream, log } = fakeStream();
    const store = new WritableStore('x', stream, () => log.push('finalising'));
    await store.write(0, new Uint8Array(10));
    await store.close();
    expect(log).toEqual(['write 0+10', 'finalising', 'close']);
  });

  it('says that the user has not allowed it', async () => {
    const createWritable = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    const file = { name: 'x', createWritable } as unknown as FileSystemFileHandle;
    await expect(WritableStore.create(file)).rejects.toMatchObject({ code: 'denied' });
  });
});
