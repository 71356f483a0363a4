/** Second copies, logs, parents, and damage: images that no program makes at will, built from those that one does. */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { vhdx } from '../../../src/formats/vhdx/index.js';
import { guidBytes } from '../../../src/image/guid.js';
import type { Image } from '../../../src/image/image.js';
import { OverlayImage } from '../../../src/image/overlay.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';
import { kernels } from '../qcow2/writing.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const HEADERS = [64 * KIB, 128 * KIB] as const;
const REGIONS = [192 * KIB, 256 * KIB] as const;

/** Does the same to both copies of a structure. */
function inAll(places: readonly number[], change: (at: number) => unknown): void {
  for (const at of places) change(at);
}
/** Where qemu-img puts them with a log of 1 MiB and a small table. */
const AT = { log: MIB, bat: 2 * MIB, metadata: 3 * MIB, items: 3 * MIB + 64 * KIB } as const;

const context = { kernels, openReference: () => Promise.reject(new Error('no file is named')) };

function storeOf(image: Uint8Array): MemoryStore {
  const store = new MemoryStore('image');
  store.write(0, image);
  return store;
}

const open = (image: Uint8Array): Promise<Image> => vhdx.open!(storeOf(image), context);

async function contentOf(image: Image): Promise<Uint8Array> {
  const bytes = new Uint8Array(image.size);
  await image.read(0, bytes);
  return bytes;
}

/** Puts the checksum of `length` bytes at `at` right. */
function seal(image: Uint8Array, at: number, length: number): void {
  const view = new DataView(image.buffer, image.byteOffset);
  view.setUint32(at + 4, 0, true);
  view.setUint32(at + 4, kernels.crc32c(image.subarray(at, at + length)), true);
}

describeWith(['qemu-img', 'qemu-io'], 'VHDX structures', () => {
  const scratch = scratchDirectory();
  let original: Buffer;
  let expected: Uint8Array;
  let view: DataView;

  /** A copy of an image with blocks of 1 MiB: the first is full of sevens, the third of nines. */
  function sample(): Buffer {
    const image = Buffer.from(original);
    view = new DataView(image.buffer, image.byteOffset, image.length);
    return image;
  }

  beforeAll(() => {
    qemuImg('create', '-q', '-f', 'vhdx', '-o', 'block_size=1M', scratch('a.vhdx'), '8M');
    qemuIo(scratch('a.vhdx'), 'vhdx', 'write -P 7 0 1M', 'write -P 9 2M 1M');
    original = readFileSync(scratch('a.vhdx'));
    expected = new Uint8Array(8 * MIB).fill(7, 0, MIB).fill(9, 2 * MIB, 3 * MIB);
  });

  it.each([
    ['first header', HEADERS[0]],
    ['second header', HEADERS[1]],
    ['first region table', REGIONS[0]],
  ])('a damaged %s does not matter', async (_, at) => {
    const image = sample();
    image[at + 100]! ^= 1;
    image[at + 20]! ^= 1;
    expect(Buffer.compare(await contentOf(await open(image)), expected)).toBe(0);
  });

  it('two equal headers are one', async () => {
    const image = sample();
    image.copy(image, HEADERS[1], HEADERS[0], HEADERS[0] + 4 * KIB);
    expect(Buffer.compare(await contentOf(await open(image)), expected)).toBe(0);
  });

  it('sectors of 4096 bytes', async () => {
    const image = sample();
    view.setUint32(AT.items + 32, 4096, true);
    expect(Buffer.compare(await contentOf(await open(image)), expected)).toBe(0);
  });

  describe('the log', () => {
    const GUID = '11111111-2222-4333-8444-555555555555';

    /** Declares the log to be in use. */
    function useLog(image: Uint8Array): void {
      for (const at of HEADERS) {
        image.set(guidBytes(GUID), at + 48);
        seal(image, at, 4 * KIB);
      }
    }

    /** An entry that writes one sector, or zeros, at `target`. */
    function addEntry(
      image: Uint8Array,
      {
        at,
        sequence,
        tail,
        target,
        data,
      }: { at: number; sequence: number; tail: number; target: number; data: Uint8Array | null },
    ): number {
      const start = AT.log + at;
      const length = data === null ? 4 * KIB : 8 * KIB;
      const text = (offset: number, value: string) => image.set(Buffer.from(value), offset);
      text(start, 'loge');
      view.setUint32(start + 8, length, true);
      view.setUint32(start + 12, tail, true);
      view.setUint32(start + 16, sequence, true);
      view.setUint32(start + 24, 1, true);
      image.set(guidBytes(GUID), start + 32);
      view.setUint32(start + 48, image.length, true);
      view.setUint32(start + 56, image.length, true);
      text(start + 64, data === null ? 'zero' : 'desc');
      if (data === null) view.setUint32(start + 72, 4 * KIB, true);
      else {
        image.set(data.subarray(4092), start + 68);
        image.set(data.subarray(0, 8), start + 72);
        image.set(data, start + 4 * KIB);
        text(start + 4 * KIB, 'data');
        view.setUint32(start + 4 * KIB + 4, 0, true);
        view.setUint32(start + 8 * KIB - 4, sequence, true);
      }
      view.setUint32(start + 80, target, true);
      view.setUint32(start + 88, sequence, true);
      seal(image, start, length);
      return at + length;
    }

    /** The table's first sector with the blocks 0 and 2 exchanged. */
    function exchanged(image: Uint8Array): Uint8Array {
      const sector = new Uint8Array(image.subarray(AT.bat, AT.bat + 4 * KIB));
      const first = sector.slice(0, 8);
      sector.copyWithin(0, 16, 24);
      sector.set(first, 16);
      return sector;
    }

    function dirty(): Buffer {
      const image = sample();
      useLog(image);
      const next = addEntry(image, { at: 12 * KIB, sequence: 5, tail: 12 * KIB, target: AT.bat, data: null });
      addEntry(image, { at: next, sequence: 6, tail: 12 * KIB, target: AT.bat, data: exchanged(original) });
      return image;
    }

    const replayed = () => new Uint8Array(8 * MIB).fill(9, 0, MIB).fill(7, 2 * MIB, 3 * MIB);

    it('is replayed in memory, and the judge replays it to the same', async () => {
      const image = dirty();
      const before = Buffer.from(image);
      expect(Buffer.compare(await contentOf(await open(image)), replayed())).toBe(0);
      expect(image.equals(before)).toBe(true);
      writeFileSync(scratch('dirty.vhdx'), image);
      qemuImg('check', '-r', 'all', scratch('dirty.vhdx'));
      qemuImg('convert', '-O', 'raw', scratch('dirty.vhdx'), scratch('dirty.raw'));
      expect(readFileSync(scratch('dirty.raw')).equals(replayed())).toBe(true);
    });

    it('is replayed into the file when that is opened for writing, and then is empty', async () => {
      const store = storeOf(dirty());
      const editor = await vhdx.edit!(store, { compress: false, flush: true }, context);
      await editor.write(512, new Uint8Array(512).fill(3));
      await editor.finish();
      const bytes = new Uint8Array(store.size);
      store.read(0, bytes);
      writeFileSync(scratch('replayed.vhdx'), bytes);
      qemuImg('check', scratch('replayed.vhdx'));
      qemuImg('convert', '-O', 'raw', scratch('replayed.vhdx'), scratch('replayed.raw'));
      expect(readFileSync(scratch('replayed.raw')).equals(replayed().fill(3, 512, 1024))).toBe(true);
    });

    it('counts from the last sequence that is complete', async () => {
      const image = dirty();
      // The second entry is damaged: the first one alone is a sequence, and leaves the table empty.
      image[AT.log + 16 * KIB + 100]! ^= 1;
      const content = await contentOf(await open(image));
      expect(content.every((byte) => byte === 0)).toBe(true);
    });

    it('does not count where the file was cut off since', async () => {
      const image = dirty();
      await expect(open(image.subarray(0, image.length - MIB))).rejects.toThrow('The VHDX file was cut off');
    });

    it('check replays it, and counts that as a repair', async () => {
      const store = storeOf(dirty());
      const image = await vhdx.check!(store, store, context);
      const events = { onFinding: () => {}, onTrouble: () => {} };
      const request = { repair: 'all', flush: true, events } as const;
      expect(await image.check(request)).toMatchObject({ corruptions: 0, corruptionsFixed: 1 });
      expect(await image.check(request)).toMatchObject({ corruptions: 0, corruptionsFixed: 0 });
    });
  });

  it('a differencing image shows its parent where it has no sectors of its own', async () => {
    const image = Buffer.concat([sample(), Buffer.alloc(2 * MIB)]);
    view = new DataView(image.buffer, image.byteOffset, image.length);
    const bitmapAt = original.length;
    view.setUint32(AT.items + 4, 2, true);
    addParent(image, '.\\base.vhdx');
    // Block 0: its own sectors 0 to 7; block 1: absent; block 2: zeros.
    image[AT.bat] = 7;
    view.setBigUint64(AT.bat + 8, 0n, true);
    view.setBigUint64(AT.bat + 16, 2n, true);
    view.setBigUint64(AT.bat + 4096 * 8, BigInt(bitmapAt) | 6n, true);
    image[bitmapAt] = 0xff;
    const upper = await open(image);
    expect(upper.backing).toEqual({ name: './base.vhdx', format: 'vhdx' });
    const parent = await open(original);
    const seen = await contentOf(new OverlayImage(upper, await shifted(parent)));
    const wanted = new Uint8Array(8 * MIB)
      .fill(5)
      .fill(7, 0, 4096)
      .fill(0, 2 * MIB, 3 * MIB);
    expect(Buffer.compare(seen.subarray(0, 3 * MIB), wanted.subarray(0, 3 * MIB))).toBe(0);
    await expect(vhdx.edit!(storeOf(image), { compress: false, flush: false }, context)).rejects.toThrow(
      'Differencing VHDX images cannot be written to',
    );
  });

  /** A disk of fives, in place of the parent's. */
  async function shifted(parent: Image): Promise<Image> {
    return {
      ...{ format: 'raw', size: parent.size, clusterSize: 1, backing: null, snapshots: [], unreadable: null },
      extents: (start, length) => [{ start, length, kind: 'data', compressed: false, hostOffset: null, depth: 0 }],
      read: (_, into) => void into.fill(5),
      details: () => ({}),
      close: async () => {},
    };
  }

  function addParent(image: Uint8Array, path: string): void {
    const key = Buffer.from('relative_path', 'utf16le');
    const value = Buffer.from(path, 'utf16le');
    const at = 65 * KIB;
    const item = AT.metadata + at;
    image.set(guidBytes('B04AEFB7-D19E-4A81-B789-25B8E9445913'), item);
    view.setUint16(item + 18, 1, true);
    view.setUint32(item + 20, 100, true);
    view.setUint32(item + 24, 200, true);
    view.setUint16(item + 28, key.length, true);
    view.setUint16(item + 30, value.length, true);
    image.set(key, item + 100);
    image.set(value, item + 200);
    view.setUint16(AT.metadata + 10, 6, true);
    const entry = AT.metadata + 6 * 32;
    image.set(guidBytes('A8D35F2D-B30B-454D-ABF7-D3D84834AB0C'), entry);
    view.setUint32(entry + 16, at, true);
    view.setUint32(entry + 20, 200 + value.length, true);
    view.setUint32(entry + 24, 4, true);
  }

  const sealRegions = (image: Uint8Array) => inAll(REGIONS, (at) => seal(image, at, 64 * KIB));
  const inBoth = (change: (at: number) => void) => inAll(REGIONS, change);

  const damages: [what: string, damage: (image: Buffer) => void, message: string][] = [
    ['both headers', (image) => inAll(HEADERS, (at) => image[at + 9]!++), 'No valid VHDX header found'],
    ['both region tables', (image) => inAll(REGIONS, (at) => image[at + 9]!++), 'No valid VHDX region table found'],
    [
      'a region within another',
      () => inBoth((at) => view.setUint32(at + 32, AT.metadata, true)),
      'overlaps with region',
    ],
    ['a region over the log', () => inBoth((at) => view.setUint32(at + 32, AT.log, true)), 'overlaps with region'],
    [
      'a region at an odd place',
      () => inBoth((at) => view.setUint32(at + 32, AT.bat + 512, true)),
      'not aligned to 1 MiB',
    ],
    ['no table', (image) => inBoth((at) => image[at + 16]!++), 'There is no VHDX block allocation table'],
    ['a table that is too small', () => inBoth((at) => view.setUint32(at + 40, 0, true)), 'too small for the disk'],
    ['no metadata table', (image) => image[AT.metadata]!++, 'There is no VHDX metadata table'],
    ['no disk size', (image) => image[AT.metadata + 64]!++, 'is required, and not known'],
    ['an item outside', () => view.setUint32(AT.metadata + 32 + 16, MIB, true), 'lies outside of its region'],
    ['blocks of 3 MiB', () => view.setUint32(AT.items, 3 * MIB, true), 'block size of 3145728 bytes'],
    ['endless blocks', () => view.setUint32(AT.items, 2 ** 31, true), 'block size of 2147483648 bytes'],
    ['an endless disk', () => view.setUint32(AT.items + 12, 0x20_0000, true), 'too large'],
    ['a huge disk', () => view.setUint32(AT.items + 12, 0x1_0000, true), 'is not allowed'],
    ['sectors of 1 KiB', () => view.setUint32(AT.items + 32, 1024, true), 'sectors of 1024 bytes'],
    ['a parent that is not there', () => view.setUint32(AT.items + 4, 2, true), 'is missing'],
  ];

  it.each(damages)('%s: refused', async (_, damage, message) => {
    const image = sample();
    damage(image);
    if (!_.startsWith('both')) sealRegions(image);
    await expect(open(image)).rejects.toThrow(message);
  });

  const entries: [what: string, value: bigint, message: string][] = [
    ['beyond the end', 0x7fff_fff0_0006n, 'points after end of file'],
    ['in the header', 6n, 'overlaps with region 0-1048576'],
    ['in the log', BigInt(AT.log) | 6n, 'overlaps with region'],
  ];

  it.each(entries)('a block %s: check tells, reading fails', async (_, value, message) => {
    const image = sample();
    view.setBigUint64(AT.bat + 8, value, true);
    const findings: string[] = [];
    const checked = await vhdx.check!(storeOf(image), null, context);
    const events = { onFinding: (line: string) => findings.push(line), onTrouble: () => {} };
    const report = await checked.check({ repair: 'none', flush: false, events });
    expect(report.corruptions).toBe(findings.length);
    expect(findings.join('\n')).toContain(message);
    const read = async () => (await open(image)).read(MIB, new Uint8Array(512));
    if (value !== (BigInt(AT.log) | 6n)) await expect(read()).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('two blocks in one place: check tells', async () => {
    const image = sample();
    view.setBigUint64(AT.bat + 8, view.getBigUint64(AT.bat, true), true);
    const findings: string[] = [];
    const checked = await vhdx.check!(storeOf(image), null, context);
    const events = { onFinding: (line: string) => findings.push(line), onTrouble: () => {} };
    await checked.check({ repair: 'none', flush: false, events });
    expect(findings).toEqual([expect.stringContaining('is in use by another block')]);
  });
});
