import { describe, expect, it } from 'vitest';
import type { Image } from '../../src/image/image.js';
import { readPartitions } from '../../src/image/partitions/partitions.js';
import { surveyDisk } from '../../src/image/survey.js';
import { ModelImage } from '../support/model-image.js';
import { Random } from '../support/random.js';

const SECTOR = 512;
const DISK = 4 * 1024 * 1024;

/** A disk of these bytes that counts what is read. */
function diskOf(bytes: Uint8Array): { disk: Image; read: () => number } {
  let read = 0;
  const disk = new ModelImage([{ kind: 'data', length: bytes.length }]);
  disk.read = async (offset, into) => {
    if (offset + into.length > bytes.length) throw new RangeError(`read beyond the end, at ${offset}`);
    read += into.length;
    into.set(bytes.subarray(offset, offset + into.length));
  };
  return { disk, read: () => read };
}

/** An entry of a boot record: type, first sector, sectors. */
type Entry = [type: number, start: number, sectors: number];

function bootRecord(bytes: Uint8Array, sector: number, entries: Entry[]): void {
  const view = new DataView(bytes.buffer, sector * SECTOR, SECTOR);
  for (const [index, [type, start, sectors]] of entries.entries()) {
    const at = 446 + 16 * index;
    view.setUint8(at + 4, type);
    view.setUint32(at + 8, start, true);
    view.setUint32(at + 12, sectors, true);
  }
  view.setUint16(510, 0xaa55, true);
}

describe('partitions', () => {
  it('follows logical partitions, whose sectors count from their records', async () => {
    const bytes = new Uint8Array(DISK);
    bootRecord(bytes, 0, [
      [0x83, 64, 100],
      [0x05, 1000, 4000],
    ]);
    bootRecord(bytes, 1000, [
      [0x07, 10, 500],
      [0x05, 600, 1000],
    ]);
    bootRecord(bytes, 1600, [[0x82, 10, 200]]);
    bytes.set(new TextEncoder().encode('NTFS    '), 1010 * SECTOR + 3);
    const table = await readPartitions(diskOf(bytes).disk);
    expect(table?.scheme).toBe('mbr');
    expect(table?.partitions.map(({ number, start, type }) => [number, start / SECTOR, type])).toEqual([
      [1, 64, 'Linux'],
      [2, 1000, 'Extended'],
      [5, 1010, 'NTFS / exFAT'],
      [6, 1610, 'Linux swap'],
    ]);
    expect(table?.partitions[2]?.fileSystem).toEqual({ name: 'NTFS', label: null });
  });

  it('ends with a chain that bites its tail', async () => {
    const bytes = new Uint8Array(DISK);
    bootRecord(bytes, 0, [[0x05, 1000, 4000]]);
    bootRecord(bytes, 1000, [
      [0x83, 1, 10],
      [0x05, 0, 10],
    ]);
    bootRecord(bytes, 1500, [
      [0x83, 1, 10],
      [0x05, 500, 10],
    ]);
    expect((await readPartitions(diskOf(bytes).disk))?.partitions).toHaveLength(2);
    bootRecord(bytes, 1000, [
      [0x83, 1, 10],
      [0x05, 500, 10],
    ]);
    const { disk, read } = diskOf(bytes);
    expect((await readPartitions(disk))!.partitions.length).toBeLessThan(100);
    expect(read()).toBeLessThan(4 * DISK);
  });

  it('tells a file system on the bare disk from a boot record', async () => {
    const bytes = new Uint8Array(DISK);
    bytes.set(new TextEncoder().encode('KEYS       FAT32   '), 71);
    bytes.set([0x55, 0xaa], 510);
    expect(await readPartitions(diskOf(bytes).disk)).toMatchObject({
      scheme: 'none',
      partitions: [{ start: 0, length: DISK, fileSystem: { name: 'FAT32', label: 'KEYS' } }],
    });
  });

  it('says nothing of what it does not know, and reads little of what lies', async () => {
    expect(await readPartitions(diskOf(new Uint8Array(DISK)).disk)).toBeNull();
    const random = new Random(3);
    for (let round = 0; round < 200; round++) {
      const bytes = new Uint8Array(256 * 1024);
      bytes.set(random.bytes(4096));
      bytes.set([0x55, 0xaa], 510);
      for (let at = 446; at < 510; at += 16) bytes[at] = 0;
      if (round % 2 === 0) bytes.set(new TextEncoder().encode('EFI PART'), SECTOR);
      const { disk, read } = diskOf(bytes);
      for (const { start, length } of (await readPartitions(disk))?.partitions ?? [])
        expect(start + length).toBeLessThanOrEqual(bytes.length);
      expect(read()).toBeLessThan(8 * 1024 * 1024);
    }
  });
});

describe('survey', () => {
  it('tells the share of data and zeros in each cell', async () => {
    const disk = new ModelImage([
      { kind: 'data', length: 1000 },
      { kind: 'zero', length: 1000 },
      { kind: 'unallocated', length: 1500 },
      { kind: 'data', length: 500 },
    ]);
    let last: { known: number; data: number[]; zero: number[] } | undefined;
    for await (const { known, data, zero } of surveyDisk(disk, 4)) last = { known, data: [...data], zero: [...zero] };
    expect(last).toEqual({ known: 4, data: [255, 0, 0, 128], zero: [0, 255, 0, 0] });
  });
});
