/** Header, tables, bitmaps and holes: the parts that reading is made of. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseHeader, readHeader, serializeHeader } from '../../../src/formats/qcow2/header.js';
import {
  compressedHighOf,
  compressedLengthOf,
  compressedOffsetLimit,
  compressedOffsetOf,
  highOf,
  hostOffsetOf,
  lowOf,
} from '../../../src/formats/qcow2/layout.js';
import { openQcow2 } from '../../../src/formats/qcow2/open.js';
import type { BitmapStretch } from '../../../src/image/image.js';
import { TableCache } from '../../../src/image/table-cache.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import type { StorageExtent } from '../../../src/storage/storage.js';
import { LateSource } from '../../support/file-source.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';
import { AT, sample, sampleHeader } from './sample.js';
import { contextFor, extentsOf, openBytes, openFile, openSource } from './support.js';

const KIB = 1024;
const MIB = 1024 * KIB;

describeWith(['qemu-img'], 'a header that qemu-img wrote', () => {
  const scratch = scratchDirectory();

  it.each([
    ['compat=0.10', []],
    ['compat=0.10,cluster_size=512', ['-b', 'base', '-F', 'raw', '-u']],
    ['', []],
    ['cluster_size=4k', []],
    ['cluster_size=8k,lazy_refcounts=on,refcount_bits=64', []],
    ['cluster_size=2M,compression_type=zstd,extended_l2=on', []],
    ['', ['-b', 'a backing file', '-F', 'qcow2', '-u']],
    ['data_file=%,data_file_raw=on', []],
  ])('is written again byte for byte: %s %s', async (options, backing) => {
    const file = scratch('header.qcow2');
    const o = options.replace('%', scratch('data.raw'));
    qemuImg('create', '-q', '-f', 'qcow2', ...(o ? ['-o', o] : []), ...backing, file, '1M');
    const bytes = readFileSync(file);
    const header = await readHeader(new MemoryStore(file, bytes));
    const cluster = bytes.subarray(0, 2 ** header.clusterBits);
    expect(Buffer.compare(serializeHeader(header), cluster)).toBe(0);
  });

  it('with bitmaps is written again byte for byte', async () => {
    const file = scratch('bitmaps.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', file, '1M');
    qemuImg('bitmap', '--add', file, 'a');
    const bytes = readFileSync(file);
    const header = await readHeader(new MemoryStore(file, bytes));
    expect(header.extensions.bitmaps?.count).toBe(1);
    expect(Buffer.compare(serializeHeader(header), bytes.subarray(0, 65536))).toBe(0);
  });
});

describe('a header', () => {
  it('survives writing and reading with everything that it can hold', () => {
    const header = sampleHeader();
    header.backingFile = 'Grundlage-ü.qcow2';
    header.unknownFields = new Uint8Array(8).fill(9);
    header.extensions.backingFormat = 'qcow2';
    header.extensions.dataFile = 'data';
    header.extensions.unknown = [
      { magic: 0x11111111, data: new Uint8Array(5).fill(1) },
      { magic: 0x22222222, data: new Uint8Array(0) },
    ];
    expect(parseHeader(serializeHeader(header))).toEqual(header);
  });

  it('that does not fit into the first cluster is refused', () => {
    const header = sampleHeader();
    header.backingFile = 'x'.repeat(1023);
    header.clusterBits = 9;
    expect(() => serializeHeader(header)).toThrow('No space left on device');
  });
});

describe('table entries', () => {
  it.each([9, 12, 16, 21])('compressed cluster descriptors for clusters of 2^%d bytes', (clusterBits) => {
    const limit = compressedOffsetLimit(clusterBits);
    for (const offset of [0, 511, 512, 0x1_2345_6789, Math.min(limit, 2 ** 52) - 2048]) {
      for (const length of [1, 511, 512, 2 ** clusterBits - 1]) {
        const [high, low] = [compressedHighOf(offset, length, clusterBits), lowOf(offset)];
        expect(compressedOffsetOf(high, low, clusterBits)).toBe(offset);
        const end = offset + compressedLengthOf(high, low, clusterBits);
        expect(end).toBe(Math.ceil((offset + length) / 512) * 512);
      }
    }
  });

  it('host offsets up to 2^56 are exact', () => {
    for (const offset of [512, 2 ** 32, 2 ** 53 + 512, 2 ** 56 - 512])
      expect(hostOffsetOf(highOf(offset), lowOf(offset))).toBe(offset);
  });
});

describe('the cache of tables', () => {
  const CLUSTER = 512;
  const PAGES = 64;

  function storeOfPages(): MemoryStore {
    const bytes = new Uint8Array(PAGES * CLUSTER);
    for (let page = 0; page < PAGES; page++) bytes.fill(page, page * CLUSTER, (page + 1) * CLUSTER);
    return new MemoryStore('tables', bytes);
  }

  it('answers at once what it holds, and keeps what is used', async () => {
    let reads = 0;
    class CountingStore extends MemoryStore {
      override read(offset: number, into: Uint8Array): void {
        reads++;
        super.read(offset, into);
      }
    }
    const counting = new CountingStore('tables', storeOfPages().bytes);
    const tables = new TableCache(counting, null, CLUSTER, 0);
    for (let page = 0; page < PAGES; page++) {
      await tables.page(0);
      expect((await tables.page(page * CLUSTER + 100)).bytes[5]).toBe(page);
    }
    expect(reads).toBe(PAGES);
    await tables.page(CLUSTER);
    expect(reads).toBe(PAGES + 1);
  });

  it('reads a page once for all who ask while it arrives', async () => {
    const tables = new TableCache(new LateSource(storeOfPages()), null, CLUSTER);
    const [first, second] = await Promise.all([tables.page(512), tables.page(700)]);
    expect(first).toBe(second);
    expect(tables.page(512)).toBe(first);
  });

  it('fills up with zeros at the end of the file, and refuses what lies behind it', async () => {
    const store = new MemoryStore('tables', new Uint8Array(700).fill(1));
    const tables = new TableCache(store, null, CLUSTER);
    const page = await tables.page(600);
    expect([page.bytes[0], page.bytes[187], page.bytes[188]]).toEqual([1, 1, 0]);
    expect(() => tables.page(1024)).toThrow('beyond the end of the file');
  });

  it('writes dirty pages when they have to go, and the others at flush', async () => {
    const store = storeOfPages();
    const tables = new TableCache(store, store, CLUSTER, 0);
    for (let page = 0; page < 20; page++) {
      const table = await tables.page(page * CLUSTER);
      table.view.setUint32(0, 0xabcd0000 + page);
      tables.markDirty(table);
    }
    const view = new DataView(store.bytes.buffer);
    const written = () => Array.from({ length: 20 }, (_, page) => view.getUint32(page * CLUSTER) >>> 16 === 0xabcd);
    expect(written()).toEqual(Array.from({ length: 20 }, (_, page) => page < 4));
    await tables.flush();
    expect(written()).toEqual(Array.from({ length: 20 }, () => true));
  });

  it('a new page is zeros and needs no read; a discarded one is not written', async () => {
    const store = storeOfPages();
    const tables = new TableCache(store, store, CLUSTER);
    const fresh = await tables.create(5 * CLUSTER);
    expect(fresh.bytes.every((byte) => byte === 0)).toBe(true);
    await tables.create(6 * CLUSTER);
    tables.discard(6 * CLUSTER, CLUSTER);
    await tables.flush();
    expect([store.bytes[5 * CLUSTER], store.bytes[6 * CLUSTER]]).toEqual([0, 6]);
  });

  it('a page that is changed while it is written is written again, afterwards', async () => {
    const writes: (() => void)[] = [];
    const seen: number[] = [];
    const store = storeOfPages();
    const slow = Object.assign(storeOfPages(), {
      write(_: number, bytes: Uint8Array): Promise<void> {
        return new Promise((resolve) => {
          writes.push(() => {
            seen.push(bytes[0]!);
            resolve();
          });
        });
      },
    });
    const tables = new TableCache(store, slow, CLUSTER);
    const page = await tables.create(0);
    page.bytes[0] = 1;
    const first = tables.flush();
    page.bytes[0] = 2;
    tables.markDirty(page);
    const second = tables.flush();
    expect(writes).toHaveLength(1);
    writes[0]!();
    await first;
    await Promise.resolve();
    expect(writes).toHaveLength(2);
    writes[1]!();
    await second;
    expect(seen.at(-1)).toBe(2);
  });
});

describeWith(['qemu-img', 'qemu-io'], 'persistent bitmaps', () => {
  const scratch = scratchDirectory();

  /** The granules that are marked. */
  async function marked(stretches: AsyncIterable<BitmapStretch>, granularity: number): Promise<number[]> {
    const granules: number[] = [];
    let end = 0;
    for await (const { start, length, bits } of stretches) {
      expect(start).toBe(end);
      end += length;
      for (let at = 0; at < Math.ceil(length / granularity); at++) {
        const isSet = typeof bits === 'string' ? bits === 'ones' : (bits[at >> 3]! >> (at & 7)) & 1;
        if (isSet) granules.push(start / granularity + at);
      }
    }
    return granules;
  }

  it('are listed as qemu-img info lists them, and hold what was written since', async () => {
    const file = scratch('bitmaps.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', file, String(5 * MIB + 512));
    qemuImg('bitmap', '--add', '-g', '4096', file, 'fine');
    qemuIo(file, 'qcow2', 'write 8k 4k', 'write 5M 512', 'write 1M 10k');
    qemuImg('bitmap', '--add', '--disable', file, 'empty');
    const image = await openFile(file);
    const info = JSON.parse(qemuImg('info', '--output=json', file));
    expect(JSON.stringify(image.details().formatSpecific)).toBe(JSON.stringify(info['format-specific']));
    const [fine, empty] = image.bitmaps!;
    expect(await marked(image.bitmapContent(fine!), 4096)).toEqual([2, 256, 257, 258, 1280]);
    expect(await marked(image.bitmapContent(empty!), 65536)).toEqual([]);
  });

  it('spread over many clusters', async () => {
    const file = scratch('long.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', file, '64M');
    qemuImg('bitmap', '--add', '-g', '512', file, 'long');
    qemuIo(file, 'qcow2', 'write 32M 1k', 'write 67108352 512');
    const image = await openFile(file);
    expect(await marked(image.bitmapContent(image.bitmaps![0]!), 512)).toEqual([65536, 65537, 131071]);
  });

  it('with a table entry of ones; damaged tables are refused by name', async () => {
    const { bytes, view } = sample();
    const image = await openBytes(bytes);
    expect(() => image.bitmapContent({ ...image.bitmaps![0]!, name: 'none' })).toThrow("'none' not found");
    expect(await marked(image.bitmapContent(image.bitmaps![0]!), 512)).toHaveLength(2048);
    // A reserved bit of the table's entry.
    bytes[AT.bitmapTable] = 1;
    await expect(marked(image.bitmapContent(image.bitmaps![0]!), 512)).rejects.toThrow("bitmap 'bits'");
    // A cluster behind the end of the file.
    bytes[AT.bitmapTable] = 0;
    view.setBigUint64(AT.bitmapTable, BigInt(AT.end));
    await expect(marked(image.bitmapContent(image.bitmaps![0]!), 512)).rejects.toThrow("bitmap 'bits'");
  });
});

/** A store that knows its holes: runs of zeros of whole 4 KiB blocks. */
class SparseStore extends MemoryStore {
  questions = 0;

  constructor(bytes: Uint8Array) {
    super('sparse', bytes);
  }

  #isHole(block: number): boolean {
    return this.bytes.subarray(block * 4096, (block + 1) * 4096).every((byte) => byte === 0);
  }

  allocated(): number {
    let blocks = 0;
    for (let block = 0; block < this.size / 4096; block++) if (!this.#isHole(block)) blocks++;
    return blocks * 4096;
  }

  extents(offset: number, length: number): StorageExtent[] {
    this.questions++;
    const hole = this.#isHole(Math.floor(offset / 4096));
    let end = offset - (offset % 4096) + 4096;
    while (end < offset + length && this.#isHole(end / 4096) === hole) end += 4096;
    return [{ start: offset, length: Math.min(end, offset + length) - offset, hole }];
  }
}

describeWith(['qemu-img', 'qemu-io'], 'preallocated metadata', () => {
  const scratch = scratchDirectory();

  it.each(['', ',refcount_bits=1', ',refcount_bits=64', ',cluster_size=4k'])('holes are not data%s', async (more) => {
    const file = scratch('preallocated.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `preallocation=metadata${more}`, file, '4M');
    qemuIo(file, 'qcow2', 'write -P 7 1M 64k', 'write -P 8 3M 4k');
    const image = await openSource(new SparseStore(readFileSync(file)));
    const data = (await extentsOf(image)).filter(({ kind }) => kind === 'data');
    expect(data.map(({ start, length }) => [start, length])).toEqual([
      [MIB, 64 * KIB],
      [3 * MIB, 4 * KIB],
    ]);
  });

  it('a file that is mostly allocated is not asked for holes', async () => {
    const file = scratch('full.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', file, '4M');
    qemuIo(file, 'qcow2', 'write -P 7 0 4M');
    const store = new SparseStore(readFileSync(file));
    const image = await openSource(store);
    expect((await extentsOf(image)).map(({ kind }) => kind)).toEqual(['data']);
    expect(store.questions).toBe(0);
  });
});

describe('the external data file', () => {
  it('is asked for by the name in the header, or by the one that the user gives', async () => {
    const { bytes } = sample((header) => {
      header.incompatibleFeatures = 4n;
      header.extensions.dataFile = 'from-header.raw';
    });
    const asked: string[] = [];
    const context = (runtimeOptions = {}) => ({
      ...contextFor('image', runtimeOptions),
      openReference: async (name: string) => {
        asked.push(name);
        return new MemoryStore(name);
      },
    });
    await openQcow2(new MemoryStore('image', bytes), context());
    await openQcow2(new MemoryStore('image', bytes), context({ 'data-file': 'from-user.raw' }));
    expect(asked).toEqual(['from-header.raw', 'from-user.raw']);
  });
});
