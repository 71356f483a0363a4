/** Footers, parents and damage: images that no program makes at will, built from those that one does. */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { vpc } from '../../../src/formats/vpc/index.js';
import type { Image } from '../../../src/image/image.js';
import { OverlayImage } from '../../../src/image/overlay.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';
import { kernels } from '../qcow2/writing.js';

const MIB = 1024 * 1024;
const BLOCK = 2 * MIB;
/** Where qemu-img puts them in an image of 8 MiB. */
const AT = { header: 512, table: 1536, blocks: 2048 } as const;
const context = { kernels, openReference: () => Promise.reject(new Error('no file is named')) };

function storeOf(image: Uint8Array): MemoryStore {
  return new MemoryStore('image', new Uint8Array(image));
}

const open = (image: Uint8Array, options = {}): Promise<Image> =>
  vpc.open!(storeOf(image), { ...context, runtimeOptions: options });

async function contentOf(image: Image): Promise<Uint8Array> {
  const bytes = new Uint8Array(image.size);
  await image.read(0, bytes);
  return bytes;
}

/** Puts the checksum of the footer at `at` right. */
function seal(image: Buffer, at: number): void {
  image.writeUInt32BE(0, at + 64);
  const sum = image.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  image.writeUInt32BE(~sum >>> 0, at + 64);
}

describeWith(['qemu-img', 'qemu-io'], 'VHD structures', () => {
  const scratch = scratchDirectory();
  let dynamic: Buffer;
  let fixed: Buffer;
  let expected: Uint8Array;

  beforeAll(() => {
    for (const kind of ['dynamic', 'fixed']) {
      const file = scratch(`${kind}.vpc`);
      qemuImg('create', '-q', '-f', 'vpc', '-o', `force_size=on,subformat=${kind}`, file, '8M');
      qemuIo(file, 'vpc', 'write -P 7 0 2M', 'write -P 9 4M 2M');
    }
    dynamic = readFileSync(scratch('dynamic.vpc'));
    fixed = readFileSync(scratch('fixed.vpc'));
    expected = new Uint8Array(8 * MIB).fill(7, 0, BLOCK).fill(9, 2 * BLOCK, 3 * BLOCK);
  });

  it('a footer of 511 bytes is as good as one of 512', async () => {
    const image = fixed.subarray(0, fixed.length - 1);
    const opened = await open(image);
    expect(Buffer.compare(await contentOf(opened), expected)).toBe(0);
    expect(vpc.probe({ head: image.subarray(0, 512), tail: image, size: image.length, fileName: 'x' })).toBe(50);
  });

  it.each([
    ['vpc ', 'the geometry', 4 * 17 * 512],
    ['win ', 'the current size', 8 * MIB],
  ])('%s takes the size of the disk from %s', async (creator, _, size) => {
    const image = Buffer.from(dynamic);
    image.write(creator, 28);
    image.set([0, 1, 4, 17], 56);
    seal(image, 0);
    expect((await open(image)).size).toBe(size);
  });

  it('a fixed disk that is larger than what is left of it ends in zeros, and is not written to', async () => {
    const image = Buffer.concat([fixed.subarray(0, BLOCK), fixed.subarray(8 * MIB)]);
    expect(Buffer.compare(await contentOf(await open(image)), new Uint8Array(8 * MIB).fill(7, 0, BLOCK))).toBe(0);
    await expect(vpc.edit!(storeOf(image), { compress: false, flush: false }, context)).rejects.toThrow('cut off');
  });

  it('writing marks the sectors of blocks, and moves the footer behind new ones', async () => {
    const image = Buffer.from(dynamic);
    image.fill(0, AT.blocks, AT.blocks + 512);
    const store = storeOf(image);
    const editor = await vpc.edit!(store, { compress: false, flush: true }, context);
    await editor.write(512, new Uint8Array(512).fill(3));
    await editor.write(7 * MIB, new Uint8Array(512).fill(4));
    await editor.finish();
    const { bytes } = store;
    const ones = (at: number) => bytes.subarray(at, at + 512).every((byte) => byte === 0xff);
    const newBlock = AT.blocks + 2 * (512 + BLOCK);
    expect([ones(AT.blocks), ones(newBlock)]).toEqual([true, true]);
    expect(bytes.length).toBe(newBlock + 512 + BLOCK + 512);
    expect(Buffer.compare(bytes.subarray(bytes.length - 512), image.subarray(0, 512))).toBe(0);
    const changed = expected
      .slice()
      .fill(3, 512, 1024)
      .fill(4, 7 * MIB, 7 * MIB + 512);
    expect(Buffer.compare(await contentOf(await open(bytes)), changed)).toBe(0);
  });

  /** The first block has the sectors 0 to 7 and 10, the second none, the third all. */
  function differencing(): Buffer {
    const image = Buffer.concat([dynamic, Buffer.alloc(512)]);
    image[63] = 4;
    seal(image, 0);
    image.fill(0, AT.blocks, AT.blocks + 512);
    image[AT.blocks] = 0xff;
    image[AT.blocks + 1] = 0b0010_0000;
    return image;
  }

  /** Adds a locator of a path, in UTF-16. */
  function locate(image: Buffer, path: string, platform = 'W2ru'): void {
    const at = AT.header + 576;
    image.write(platform, at);
    image.writeUInt32BE(2 * path.length, at + 8);
    image.writeBigUInt64BE(BigInt(dynamic.length), at + 16);
    image.write(path, dynamic.length, 'utf16le');
  }

  it('a differencing image shows its parent where it has no sectors of its own', async () => {
    const image = differencing();
    locate(image, '.\\base.vhd');
    const upper = await open(image);
    expect(upper.backing).toEqual({ name: './base.vhd', format: 'vpc' });
    const fives: Image = {
      ...{ format: 'raw', size: 8 * MIB, clusterSize: 1, backing: null, snapshots: [], unreadable: null },
      extents: (start, length) => [{ start, length, kind: 'data', compressed: false, hostOffset: null, depth: 0 }],
      read: (_, into) => void into.fill(5),
      details: () => ({}),
      close: async () => {},
    };
    const wanted = new Uint8Array(8 * MIB)
      .fill(5)
      .fill(7, 0, 4096)
      .fill(7, 5120, 5632)
      .fill(9, 2 * BLOCK, 3 * BLOCK);
    expect(Buffer.compare(await contentOf(new OverlayImage(upper, fives)), wanted)).toBe(0);
    await expect(vpc.edit!(storeOf(image), { compress: false, flush: false }, context)).rejects.toThrow(
      'Differencing VHD images cannot be written to',
    );
  });

  it('the name of the parent stands in for a locator', async () => {
    const image = differencing();
    image.set(Buffer.from('base.vhd', 'utf16le').swap16(), AT.header + 64);
    expect((await open(image)).backing).toEqual({ name: 'base.vhd', format: 'vpc' });
  });

  const refusals: [what: string, damage: (image: Buffer) => void, message: string][] = [
    ['no cookie', (image) => image.fill(0, 0, 8), 'invalid VPC image'],
    ['a wrong checksum', (image) => image[100]!++, 'Incorrect header checksum'],
    ['an unknown type', (image) => footer(image, (at) => image.writeUInt32BE(6, at + 60)), 'type 6 are not supported'],
    ['a disk too large', (image) => footer(image, (at) => image.fill(255, at + 48, at + 56)), 'File too large'],
    ['a header at 2^64-1', (image) => footer(image, (at) => image.fill(255, at + 16, at + 24)), 'Invalid header magic'],
    ['a header elsewhere', (image) => footer(image, (at) => image.writeUInt32BE(1, at + 20)), 'Invalid header magic'],
    ['no header', (image) => image[AT.header]!++, 'Invalid header magic'],
    ['blocks of 3 MiB', (image) => image.writeUInt32BE(3 * MIB, AT.header + 32), 'Invalid block size 3145728'],
    ['blocks of nothing', (image) => image.writeUInt32BE(0, AT.header + 32), 'Invalid block size 0'],
    ['blocks of 256 bytes', (image) => image.writeUInt32BE(256, AT.header + 32), 'Invalid block size 256'],
    ['too few blocks', (image) => image.writeUInt32BE(3, AT.header + 28), 'Page table too small'],
    ['endless blocks', (image) => image.writeUInt32BE(0xffffffff, AT.header + 28), 'Max Table Entries too large'],
    ['a table of 1 GiB', (image) => image.writeUInt32BE(0x10000000, AT.header + 28), 'Error reading pagetable'],
    ['a table beyond the end', (image) => image.writeUInt32BE(0x7fffffff, AT.header + 20), 'Error reading pagetable'],
    ['a table beyond 2^53', (image) => image.fill(255, AT.header + 16, AT.header + 24), 'too large'],
    ['a parent without a name', (image) => footer(image, (at) => image.writeUInt32BE(4, at + 60)), 'names no parent'],
  ];

  function footer(image: Buffer, change: (at: number) => void): void {
    change(0);
    seal(image, 0);
  }

  it.each(refusals)('%s: refused', async (_, damage, message) => {
    const image = Buffer.from(dynamic);
    damage(image);
    await expect(open(image)).rejects.toThrow(message);
  });

  it.each([
    ['a block over the footer', 0, 'overlaps'],
    ['a block over the table', 2, 'overlaps'],
    ['a block beyond the end', 0x10000, 'beyond the end of the file'],
    ['a block far beyond the end', 0xfffffffe, 'beyond the end of the file'],
  ])('%s: refused', async (_, entry, message) => {
    const image = Buffer.from(dynamic);
    image.writeUInt32BE(entry, AT.table + 4);
    await expect(contentOf(await open(image))).rejects.toThrow(message);
    await expect(vpc.edit!(storeOf(image), { compress: false, flush: false }, context)).rejects.toThrow(message);
  });

  it.each([
    ['a path of 4 GiB', (image: Buffer) => image.writeUInt32BE(0xfffffffe, AT.header + 584)],
    ['a path beyond the end', (image: Buffer) => image.writeUInt32BE(0xffff, AT.header + 584)],
  ])('%s: refused', async (_, damage) => {
    const image = differencing();
    locate(image, '.\\base.vhd');
    damage(image);
    await expect(open(image)).rejects.toThrow('The VHD parent locator ends beyond the end of the file');
  });

  it('a file of a few bytes is refused', async () => {
    await expect(open(new Uint8Array(100))).rejects.toThrow('File too small for a VHD header');
  });
});
