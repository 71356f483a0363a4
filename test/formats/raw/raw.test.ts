import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/errors.js';
import { raw } from '../../../src/formats/raw/index.js';
import type { CreateRequest, DriverContext } from '../../../src/image/driver.js';
import type { Extent, Image } from '../../../src/image/image.js';
import type { OptionValues } from '../../../src/image/options.js';
import type { Piece } from '../../../src/kernels/kernels.js';
import { openFile } from '../../../src/platform/node/open-file.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import type { ByteStore } from '../../../src/storage/storage.js';
import { describeWith } from '../../support/judges.js';
import { PlainKernels } from '../../support/plain-kernels.js';
import { qemuImg, qemuImgError } from '../../support/qemu.js';
import { Random } from '../../support/random.js';
import { rejection } from '../../support/rejection.js';
import { scratchDirectory } from '../../support/scratch.js';

function context(runtimeOptions?: OptionValues): DriverContext {
  return {
    kernels: new PlainKernels(),
    openReference: () => Promise.reject(new Error('raw images name no files')),
    ...(runtimeOptions && { runtimeOptions }),
  };
}

function request(size: number, options: OptionValues = {}): CreateRequest {
  return { size, options, compress: false, flush: false };
}

function data(offset: number, bytes: Uint8Array): Piece {
  return { kind: 'data', offset, length: bytes.length, bytes };
}

function zero(offset: number, length: number): Piece {
  return { kind: 'zero', offset, length };
}

async function allExtents(image: Image): Promise<Extent[]> {
  const all: Extent[] = [];
  for (let at = 0; at < image.size; ) {
    for (const extent of await image.extents(at, image.size - at)) {
      expect(extent.start).toBe(at);
      all.push(extent);
      at += extent.length;
    }
  }
  return all;
}

/** Memory that logs what is done to it. */
class LoggingStore implements ByteStore {
  readonly name = 'log';
  readonly transfer = 4096;
  readonly log: string[] = [];
  readonly #memory: MemoryStore;

  constructor(
    readonly readsZero: boolean,
    size: number,
  ) {
    this.#memory = new MemoryStore('log', new Uint8Array(size).fill(0xee));
  }

  get size(): number {
    return this.#memory.size;
  }

  read(offset: number, into: Uint8Array): void {
    this.#memory.read(offset, into);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.log.push(`write ${offset}+${bytes.length}`);
    this.#memory.write(offset, bytes);
  }

  zero(offset: number, length: number): void {
    this.log.push(`zero ${offset}+${length}`);
    this.#memory.zero(offset, length);
  }

  truncate(size: number): Promise<void> {
    return this.#memory.truncate(size);
  }

  async flush(): Promise<void> {
    this.log.push('flush');
  }

  async close(): Promise<void> {
    this.log.push('close');
  }
}

describe('reading raw images', () => {
  it('a disk consists of whole sectors; the rest reads as zeros', async () => {
    const bytes = new Random(1).bytes(700);
    const image = await raw.open!(new MemoryStore('odd', bytes), context());
    expect(image).toMatchObject({ format: 'raw', size: 1024, clusterSize: 1, backing: null, unreadable: null });
    const disk = new Uint8Array(1024).fill(9);
    await image.read(0, disk);
    expect(disk.slice(0, 700)).toEqual(bytes);
    expect(disk.slice(700)).toEqual(new Uint8Array(324));
    const tail = new Uint8Array(100).fill(9);
    await image.read(900, tail);
    expect(tail).toEqual(new Uint8Array(100));
  });

  it('is what probing falls back to', () => {
    const input = { head: new Uint8Array(0), tail: new Uint8Array(0), size: 0, fileName: 'x.qcow2' };
    expect(raw.probe(input)).toBe(1);
  });

  it('an empty storage is a disk of no bytes', async () => {
    const image = await raw.open!(new MemoryStore('empty'), context());
    expect(image.size).toBe(0);
  });

  it('shows a part of the storage', async () => {
    const bytes = new Random(2).bytes(4096);
    const image = await raw.open!(new MemoryStore('window', bytes), context({ offset: 1000, size: 1024 }));
    expect(image.size).toBe(1024);
    const disk = new Uint8Array(1024);
    await image.read(0, disk);
    expect(disk).toEqual(bytes.slice(1000, 2024));
    expect((await image.extents(512, 512))[0]).toMatchObject({ kind: 'data', start: 512, hostOffset: 1512 });
  });
});

describe('writing raw images', () => {
  it('places data only where what is not written reads as zeros', async () => {
    const store = new LoggingStore(true, 0);
    const writer = await raw.create!(store, request(10000), context());
    expect(writer).toMatchObject({ size: 10240, encoding: null, unordered: true, readsZero: true });
    expect(store.size).toBe(10240);
    const memory = new Uint8Array(8192).fill(1);
    const pieces = [
      data(0, memory.subarray(0, 512)),
      data(512, memory.subarray(512, 1024)),
      zero(1024, 1024),
      data(2048, memory.subarray(2048, 2560)),
      data(2560, memory.subarray(4096, 4608)),
    ];
    const write = await writer.place({ offset: 0, length: 3072, pieces });
    expect(store.log).toEqual([]);
    await write!();
    await writer.finish();
    expect(store.log).toEqual(['write 0+1024', 'write 2048+512', 'write 2560+512']);
  });

  it('writes zeros, neighbours together, over old content; flushes if asked to', async () => {
    const store = new LoggingStore(false, 16384);
    const writer = await raw.edit!(store, { compress: false, flush: true }, context({ offset: 512 }));
    expect(writer.readsZero).toBe(false);
    const pieces = [zero(0, 512), zero(512, 512), data(1024, new Uint8Array(512).fill(5)), zero(1536, 512)];
    await (await writer.place({ offset: 0, length: 2048, pieces }))!();
    await writer.finish();
    expect(store.log).toEqual(['zero 512+1024', 'write 1536+512', 'zero 2048+512', 'flush']);
  });

  it('a device that is larger stays so, one that is smaller is refused', async () => {
    class Device extends LoggingStore {
      override async truncate(size: number): Promise<void> {
        if (size !== this.size) throw new ImageError('invalid', 'Cannot grow device files');
      }
    }
    const device = new Device(false, 8192);
    const writer = await raw.create!(device, request(4096), context());
    expect(writer).toMatchObject({ size: 4096, readsZero: false });
    expect(device.size).toBe(8192);
    const refused = await rejection(() => raw.create!(device, request(8704), context()));
    expect(refused.message).toBe('Cannot grow device files');
  });

  it('edits within the disk only', async () => {
    const store = new LoggingStore(false, 700);
    const image = await raw.edit!(store, { compress: false, flush: false }, context());
    await image.write(512, new Uint8Array(512).fill(3));
    const disk = new Uint8Array(1024);
    await image.read(0, disk);
    expect(disk).toEqual(new Uint8Array(1024).fill(0xee, 0, 512).fill(3, 512));
    for (const work of [() => image.write(1000, new Uint8Array(25)), () => image.zero(1024, 1)])
      expect(await rejection(work)).toMatchObject({ code: 'io', message: 'Input/output error' });
  });

  it('does not preallocate in memory', async () => {
    const refused = await rejection(() =>
      raw.create!(new MemoryStore('m'), request(512, { preallocation: 'full' }), context()),
    );
    expect(refused).toMatchObject({ code: 'unsupported', message: "Unsupported preallocation mode 'full'" });
  });
});

describeWith(['qemu-img'], 'raw images as qemu-img has them', () => {
  const scratch = scratchDirectory();

  function sparse(name: string, size: number, offsets: readonly number[]): string {
    const path = scratch(name);
    const bytes = new Random(size % 1000).bytes(Math.min(size, 5000));
    const fd = openSync(path, 'w');
    for (const offset of offsets) writeSync(fd, bytes, 0, bytes.length, offset);
    ftruncateSync(fd, size);
    closeSync(fd);
    return path;
  }

  it('lists the same options', () => {
    const help = qemuImg('create', '-f', 'raw', '-o', 'help', scratch('help.raw'));
    for (const { name, help: text } of raw.createOptions)
      expect(help).toMatch(new RegExp(`  ${name}=.* - ${text.replace(/[()]/g, '\\$&')}\n`));
    expect(help.trim().split('\n').length - 1).toBe(raw.createOptions.length);
  });

  it('refuses the same ranges in the same words', async () => {
    const path = scratch('700.raw');
    writeFileSync(path, new Uint8Array(700));
    const store = await openFile(path, 'read');
    for (const options of [{ offset: 4096 }, { size: 100 }, { offset: 512, size: 1024 }, { size: 1536 }]) {
      const words = Object.entries(options).map(([key, value]) => `${key}=${value}`);
      const text = ['driver=raw', ...words, `file.filename=${path}`].join(',');
      const refused = await rejection(() => raw.open!(store, context(options)));
      expect(`Could not open '${text}': ${refused.message}`).toBe(qemuImgError('info', '--image-opts', text));
    }
    await store.close();
  });

  it.each(['metadata', 'foo'])('refuses preallocation=%s in the same words', async (preallocation) => {
    const path = scratch(`${preallocation}.raw`);
    const refused = await rejection(() =>
      raw.create!(new MemoryStore('x'), request(512, { preallocation }), context()),
    );
    expect(`${path}: ${refused.message}`).toBe(
      qemuImgError('create', '-q', '-f', 'raw', '-o', `preallocation=${preallocation}`, path, '512'),
    );
  });

  it.each([
    ['odd.raw', 700, [0]],
    ['holes.raw', 2 ** 33 + 100, [0, 2 ** 32 - 4096, 2 ** 33 - 8192]],
    ['hole.raw', 2 ** 40, []],
  ])('has the same map of %s', async (name, size, offsets) => {
    const path = sparse(name, size, offsets);
    const image = await raw.open!(await openFile(path, 'read'), context());
    const rows = (await allExtents(image)).map(({ start, length, depth, kind, compressed, hostOffset }) => {
      return {
        start,
        length,
        depth,
        present: true,
        zero: kind === 'zero',
        data: kind === 'data',
        compressed,
        offset: hostOffset,
      };
    });
    expect(rows).toEqual(JSON.parse(qemuImg('map', '-f', 'raw', '--output=json', path)));
    await image.close();
  });

  it.each([
    {},
    { preallocation: 'off' },
    { preallocation: 'falloc' },
    { preallocation: 'full' },
    { nocow: true, extent_size_hint: 65536 },
  ])('creates the same file with %o', async (options) => {
    const [ours, theirs] = [scratch('ours.raw'), scratch('theirs.raw')];
    const writer = await raw.create!(await openFile(ours, 'create'), request(1_000_001, options), context());
    await writer.finish();
    await writer.close();
    const list = Object.entries(options).map(([key, value]) => `${key}=${value === true ? 'on' : value}`);
    qemuImg('create', '-q', '-f', 'raw', ...(list.length > 0 ? ['-o', list.join(',')] : []), theirs, '1000001');
    expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
    expect(statSync(ours).blocks).toBe(statSync(theirs).blocks);
  });
});

describe('raw images in files', () => {
  const scratch = scratchDirectory();

  it.each([undefined, null])(
    'a run with data and zeros in a new file and in an old one (C library: %o)',
    async (library) => {
      const options = library === null ? { libc: null } : {};
      const bytes = new Random(3).bytes(65536);
      const pieces = [data(4096, bytes.subarray(0, 4096)), zero(8192, 8192), data(16384, bytes.subarray(4096))];
      const expected = new Uint8Array(131072).fill(0xaa);
      expected.set(bytes.subarray(0, 4096), 4096);
      expected.fill(0, 8192, 16384);
      expected.set(bytes.subarray(4096), 16384);

      writeFileSync(scratch('edit.raw'), new Uint8Array(131072).fill(0xaa));
      const editor = await raw.edit!(
        await openFile(scratch('edit.raw'), 'write', options),
        { compress: false, flush: true },
        context(),
      );
      await (await editor.place({ offset: 4096, length: 73728, pieces }))!();
      await editor.finish();
      await editor.close();
      expect(readFileSync(scratch('edit.raw')).equals(expected)).toBe(true);

      const store: ByteStore = await openFile(scratch('new.raw'), 'create', options);
      const writer = await raw.create!(store, request(131072), context());
      await (await writer.place({ offset: 4096, length: 73728, pieces }))!();
      await writer.finish();
      await writer.close();
      const fresh = expected.map((byte, at) => (at < 4096 || at >= 16384 + 61440 ? 0 : byte));
      expect(readFileSync(scratch('new.raw')).equals(fresh)).toBe(true);
    },
  );
});
