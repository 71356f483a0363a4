import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { convert, ImageError, imageInfo, readImage } from '../../src/platform/node/index.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

const MIB = 1024 * 1024;
describe('the library in Node', () => {
  const scratch = scratchDirectory();

  /** A raw disk of 5 MiB: noise, text, a hole. */
  function makeDisk(): { path: string; bytes: Uint8Array } {
    const bytes = new Uint8Array(5 * MIB);
    bytes.set(new Random(1).bytes(MIB));
    bytes.fill(65, 2 * MIB, 3 * MIB);
    const path = scratch('disk.raw');
    writeFileSync(path, bytes);
    return { path, bytes };
  }

  it('converts there and back, telling progress', async () => {
    const { path, bytes } = makeDisk();
    const [packed, back] = [scratch('disk.qcow2'), scratch('back.raw')];
    const told: number[] = [];
    const report = await convert(path, packed, {
      format: 'qcow2',
      compress: true,
      options: { cluster_size: 4096 },
      onProgress: (done) => told.push(done),
    });
    expect(report.packedBytes).toBeGreaterThan(0);
    expect(told.at(-1)).toBe(5 * MIB);
    await convert(packed, back, { workers: 0 });
    expect(Buffer.compare(readFileSync(back), bytes)).toBe(0);
  });

  it('tells what an image is, and reads it through its chain', async () => {
    const { path, bytes } = makeDisk();
    const overlay = scratch('overlay.qcow2');
    await convert(path, overlay, { format: 'qcow2', backing: { file: path, format: 'raw' } });
    const [top, base] = await imageInfo(overlay);
    expect(top).toMatchObject({ format: 'qcow2', virtualSize: 5 * MIB, backing: { name: path } });
    expect(base).toMatchObject({ format: 'raw' });
    const read = await readImage(overlay, async (disk) => {
      const part = new Uint8Array(MIB);
      await disk.read(MIB / 2, part);
      return part;
    });
    expect(Buffer.compare(read, bytes.subarray(MIB / 2, MIB / 2 + MIB))).toBe(0);
  });

  it('removes what it created when it is cancelled', async () => {
    const { path } = makeDisk();
    const target = scratch('cancelled.raw');
    const stop = new AbortController();
    const running = convert(path, target, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    expect(existsSync(target)).toBe(false);
  });

  it('throws ImageError with a code and the words of the command line', async () => {
    const running = convert(scratch('missing.raw'), scratch('x.raw'), { sourceFormat: 'raw' });
    const error = await running.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ImageError);
    expect(error).toMatchObject({ code: 'not-found', message: expect.stringContaining('No such file or directory') });
  });
});
