import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.js';
import { BlobSource } from '../../src/platform/web/blob-source.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A byte that tells its place: no two windows or cache lines look alike. */
function byteAt(offset: number): number {
  return (offset ^ (offset >> 8) ^ (offset >> 16) ^ (offset >> 22)) & 0xff;
}

function pattern(offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = byteAt(offset + i);
  return bytes;
}

/** A Blob that notes how it is read: `slice 0+16`, `stream 16`. */
function recordedBlob(size: number): { blob: Blob; log: string[] } {
  const blob = new Blob([pattern(0, size)]);
  const log: string[] = [];
  const slice = blob.slice.bind(blob);
  blob.slice = (start = 0, end = size) => {
    const part = slice(start, end);
    const stream = part.stream.bind(part);
    const arrayBuffer = part.arrayBuffer.bind(part);
    part.stream = () => {
      log.push(`stream ${start}`);
      return stream();
    };
    part.arrayBuffer = () => {
      log.push(`slice ${start}+${end - start}`);
      return arrayBuffer();
    };
    return part;
  };
  return { blob, log };
}

async function readAt(source: BlobSource, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  await source.read(offset, into);
  return into;
}

/** Where `bytes` first differ from the pattern; -1: nowhere. `toEqual` would take seconds for megabytes. */
function firstWrong(bytes: Uint8Array, offset: number): number {
  return bytes.findIndex((byte, i) => byte !== byteAt(offset + i));
}

async function expectRight(source: BlobSource, offset: number, length: number): Promise<void> {
  expect(firstWrong(await readAt(source, offset, length), offset)).toBe(-1);
}

describe('BlobSource', () => {
  it('answers small reads of one window from memory, at once', async () => {
    const { blob, log } = recordedBlob(MIB);
    const source = new BlobSource(blob, 'x');
    await expectRight(source, 300 * KIB, 512);
    const into = new Uint8Array(4096);
    expect(source.read(256 * KIB, into)).toBeUndefined();
    expect(firstWrong(into, 256 * KIB)).toBe(-1);
    expect(log).toEqual([`slice ${256 * KIB}+${256 * KIB}`]);
  });

  it('joins a small read that crosses windows, up to the odd end of the file', async () => {
    const size = 512 * KIB + 77;
    const { blob } = recordedBlob(size);
    const source = new BlobSource(blob, 'x');
    await expectRight(source, 512 * KIB - 100, 177);
  });

  it('streams from the second of two reads that follow each other', async () => {
    const { blob, log } = recordedBlob(12 * MIB);
    const source = new BlobSource(blob, 'x');
    for (let at = 0; at < 12 * MIB; at += 3 * MIB) {
      await expectRight(source, at, 3 * MIB);
    }
    expect(log).toEqual([`slice 0+${3 * MIB}`, `stream ${3 * MIB}`]);
    await source.close();
  });

  it('serves overlapping calls, small gaps and steps back from the same stream', async () => {
    const { blob, log } = recordedBlob(8 * MIB);
    const source = new BlobSource(blob, 'x');
    const ranges = [
      [0, MIB],
      [MIB, MIB],
      [2 * MIB - 300, 200 * KIB],
      [2 * MIB + 300 * KIB, MIB],
      [4 * MIB, 3 * MIB],
    ] as const;
    await Promise.all(ranges.map(([at, length]) => expectRight(source, at, length)));
    expect(log).toEqual([`slice 0+${MIB}`, `stream ${MIB}`]);
    await source.close();
  });

  it('reads what lies elsewhere by slices and keeps the stream', async () => {
    const { blob, log } = recordedBlob(8 * MIB);
    const source = new BlobSource(blob, 'x');
    const ranges = [
      [0, MIB],
      [MIB, MIB],
      [7 * MIB, 200 * KIB],
      [0, 200 * KIB],
      [2 * MIB, MIB],
    ] as const;
    for (const [at, length] of ranges) await expectRight(source, at, length);
    expect(log.filter((entry) => entry.startsWith('stream'))).toEqual([`stream ${MIB}`]);
    expect(log).toHaveLength(4);
    await source.close();
  });

  it('lends what a stream brings, and reads on from there', async () => {
    const { blob, log } = recordedBlob(9 * MIB);
    const source = new BlobSource(blob, 'x');
    await expectRight(source, 0, MIB);
    const loans = await Promise.all([source.lend(MIB, 2 * MIB)!, source.lend(3 * MIB, 2 * MIB)!]);
    expect(loans.map(({ bytes }, i) => firstWrong(bytes, MIB + 2 * MIB * i))).toEqual([-1, -1]);
    // Giving back twice must not lend the same memory twice.
    for (const loan of [loans[0]!, ...loans]) loan.release();
    await expectRight(source, 5 * MIB - 300, MIB + 300);
    const rest = await Promise.all([6, 7, 8].map((at) => source.lend(at * MIB, MIB)!));
    expect(rest.map(({ bytes }, i) => firstWrong(bytes, (6 + i) * MIB))).toEqual([-1, -1, -1]);
    expect(log).toEqual([`slice 0+${MIB}`, `stream ${MIB}`]);
    await source.close();
  });

  it('lends nothing where a stream would have to skip or step back, or the memory is too small', async () => {
    const { blob } = recordedBlob(12 * MIB);
    const source = new BlobSource(blob, 'x');
    expect(source.lend(0, MIB)).toBeNull();
    await expectRight(source, 0, MIB);
    await expectRight(source, MIB, MIB);
    expect(source.lend(2 * MIB - 512, MIB)).toBeNull();
    expect(source.lend(2 * MIB + 512, MIB)).toBeNull();
    expect(source.lend(2 * MIB, 2 * MIB + 512)).toBeNull();
    expect(firstWrong((await source.lend(2 * MIB, MIB)!).bytes, 2 * MIB)).toBe(-1);
    await source.close();
  });

  it('lends all of what was asked for where the stream brings it in parts', async () => {
    const { blob } = recordedBlob(4 * MIB);
    const source = new BlobSource(blob, 'x');
    await expectRight(source, 0, MIB);
    const read = ReadableStreamBYOBReader.prototype.read;
    ReadableStreamBYOBReader.prototype.read = function (view: never) {
      const part = view as Uint8Array;
      return read.call(this, part.subarray(0, 100_000) as never, { min: 1 }) as never;
    };
    try {
      expect(firstWrong((await source.lend(MIB, 2 * MIB)!).bytes, MIB)).toBe(-1);
    } finally {
      ReadableStreamBYOBReader.prototype.read = read;
    }
    await source.close();
  });

  it('does without byte streams', async () => {
    const { blob, log } = recordedBlob(4 * MIB);
    const slice = blob.slice.bind(blob);
    blob.slice = (start, end) => {
      const part = slice(start, end);
      part.stream = () => new ReadableStream();
      return part;
    };
    const source = new BlobSource(blob, 'x');
    for (let at = 0; at < 4 * MIB; at += MIB) await expectRight(source, at, MIB);
    expect(log).toHaveLength(4);
  });

  it('refuses a range beyond the end', () => {
    const source = new BlobSource(new Blob([new Uint8Array(1000)]), 'x');
    expect(() => source.read(999, new Uint8Array(2))).toThrow(ImageError);
    expect(() => source.read(-1, new Uint8Array(1))).toThrow(ImageError);
  });

  it('says that the file has changed, and tries again when asked again', async () => {
    const blob = new Blob([pattern(0, MIB)]);
    const slice = blob.slice.bind(blob);
    let broken = true;
    blob.slice = (start, end) => {
      const part = slice(start, end);
      if (broken) part.arrayBuffer = () => Promise.reject(new DOMException('gone', 'NotReadableError'));
      return part;
    };
    const source = new BlobSource(blob, 'disk.img');
    const message = 'The file was changed or removed after it was chosen';
    await expect(readAt(source, 0, 512)).rejects.toMatchObject({ code: 'io', file: 'disk.img', message });
    await expect(readAt(source, 0, MIB)).rejects.toMatchObject({ code: 'io', message });
    broken = false;
    await expectRight(source, 0, 512);
  });

  it('says that the file has changed when a stream ends early', async () => {
    const blob = new Blob([pattern(0, 4 * MIB)]);
    const slice = blob.slice.bind(blob);
    const source = new BlobSource(blob, 'disk.img');
    await readAt(source, 0, MIB);
    blob.slice = (start = 0) => slice(start, 2 * MIB);
    await expect(source.lend(MIB, 512 * KIB)).resolves.toMatchObject({});
    await expect(source.lend(MIB + 512 * KIB, MIB)).rejects.toMatchObject({ code: 'io', file: 'disk.img' });
  });

  it('says so of a read from the stream, too', async () => {
    const blob = new Blob([pattern(0, 4 * MIB)]);
    const slice = blob.slice.bind(blob);
    const source = new BlobSource(blob, 'disk.img');
    await readAt(source, 0, MIB);
    blob.slice = (start = 0) => slice(start, 2 * MIB);
    await expect(readAt(source, MIB, 2 * MIB)).rejects.toMatchObject({ code: 'io' });
  });
});
