/** Images of Bochs, made by hand, read as qemu-img reads them. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bochs } from '../../../src/formats/bochs/index.js';
import type { Image } from '../../../src/image/image.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { scratchDirectory } from '../../support/scratch.js';
import { kernels, noise } from '../qcow2/writing.js';

const EXTENT = 64 * 1024;
const CATALOG = 512;
const ENTRIES = 4;
/** The first extent in the file: its bitmap, and behind it its sectors. */
const FIRST = CATALOG + 4 * ENTRIES;
const context = { kernels, openReference: () => Promise.reject(new Error('no file is named')) };
const open = (image: Uint8Array): Promise<Image> => bochs.open!(new MemoryStore('x', image), context);

/** Extent 2 comes first, of which sector 3 is not stored; then extent 0, of which only sector 0 is. */
function build(version: 1 | 2): Buffer {
  const image = Buffer.alloc(FIRST + 2 * (512 + EXTENT));
  image.write('Bochs Virtual HD Image');
  image.write('Redolog', 32);
  image.write('Growing', 48);
  [version << 16, 512, ENTRIES, 512, EXTENT].forEach((value, index) => {
    image.writeUInt32LE(value, 64 + 4 * index);
  });
  image.writeBigUInt64LE(BigInt(4 * EXTENT - 512), version === 1 ? 84 : 88);
  [1, 0xffffffff, 0, 0xffffffff].forEach((entry, index) => {
    image.writeUInt32LE(entry, CATALOG + 4 * index);
  });
  image.fill(0xff, FIRST, FIRST + 16);
  image[FIRST] = 0b1111_0111;
  image.set(noise(EXTENT, 1), FIRST + 512);
  image[FIRST + 512 + EXTENT] = 1;
  image.set(noise(EXTENT, 2), FIRST + 2 * 512 + EXTENT);
  return image;
}

function expected(): Buffer {
  const disk = Buffer.alloc(4 * EXTENT - 512);
  disk.set(noise(EXTENT, 2).subarray(0, 512));
  disk.set(noise(EXTENT, 1), 2 * EXTENT);
  return disk.fill(0, 2 * EXTENT + 3 * 512, 2 * EXTENT + 4 * 512);
}

async function contentOf(image: Image): Promise<Buffer> {
  const bytes = Buffer.alloc(image.size, 0xee);
  await image.read(0, bytes);
  return bytes;
}

describeWith(['qemu-img'], 'Bochs', () => {
  const scratch = scratchDirectory();
  const { theirs, succeeds } = bothPrograms(scratch);

  it.each([1, 2] as const)('images of version %i are found and read as qemu-img does it', async (version) => {
    writeFileSync(scratch('image.bochs'), build(version));
    writeFileSync(scratch('disk.raw'), expected());
    expect(theirs('compare', '-F', 'raw', 'image.bochs', 'disk.raw')).toMatchObject({ status: 0 });
    await succeeds('compare', '-F', 'raw', 'image.bochs', 'disk.raw');
    expect(await succeeds('info', '--output=json', 'image.bochs')).toBe(
      theirs('info', '--output=json', 'image.bochs').stdout,
    );
  });
});

describe('Bochs images', () => {
  it('say what they do not hold', async () => {
    const image = await open(build(2));
    const extents = await image.extents(2 * EXTENT, EXTENT);
    expect(extents.map(({ kind, length, hostOffset }) => [kind, length / 512, hostOffset])).toEqual([
      ['data', 3, FIRST + 512],
      ['unallocated', 1, null],
      ['data', 124, FIRST + 512 + 4 * 512],
    ]);
  });

  it.each<[string, (image: Buffer) => void, string]>([
    ['another subtype', (image) => image.write('Volatile', 48), 'Image not in Bochs format'],
    ['another version', (image) => image.writeUInt32LE(0x30000, 64), 'Image not in Bochs format'],
    ['an endless catalog', (image) => image.writeUInt32LE(0x100001, 72), 'Catalog size is too large'],
    ['a catalog beyond the end', (image) => image.writeUInt32LE(0x100000, 72), 'ends beyond the end of the file'],
    ['a catalog too small', (image) => image.writeUInt32LE(3, 72), 'too small for this disk size'],
    ['an endless disk', (image) => image.fill(255, 88, 96), 'too small for this disk size'],
    ['a catalog far away', (image) => image.writeUInt32LE(0xffffffff, 68), 'ends beyond the end of the file'],
    ['bitmaps of nothing', (image) => image.writeUInt32LE(0, 76), 'bitmaps are too small'],
    ['extents of nothing', (image) => image.writeUInt32LE(0, 80), 'Extent size must be at least 512'],
    ['extents of 12 KiB', (image) => image.writeUInt32LE(12288, 80), 'Extent size 12288 is not a power of two'],
    ['extents of 16 MiB', (image) => image.writeUInt32LE(2 ** 24, 80), 'Extent size 16777216 is too large'],
    ['an extent far away', (image) => image.writeUInt32LE(0xfffffffe, CATALOG), 'lies beyond the end of the file'],
    ['an extent that is cut off', (image) => image.writeUInt32LE(2, CATALOG), 'lies beyond the end of the file'],
    ['bitmaps of 4 GiB', (image) => image.writeUInt32LE(0xffffffff, 76), 'lies beyond the end of the file'],
  ])('%s: refused', async (_, damage, message) => {
    const image = build(2);
    damage(image);
    await expect(async () => contentOf(await open(image))).rejects.toThrow(message);
  });
});
