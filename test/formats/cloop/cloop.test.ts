/** Images of cloop, made by hand, read as qemu-img reads them. */
import { writeFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { cloop } from '../../../src/formats/cloop/index.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { scratchDirectory } from '../../support/scratch.js';
import { kernels, noise } from '../qcow2/writing.js';

const BLOCK = 64 * 1024;
const TABLE = 136;
const context = { kernels, openReference: () => Promise.reject(new Error('no file is named')) };
const blocks = [noise(BLOCK, 1), new Uint8Array(BLOCK), new Uint8Array(BLOCK).fill(7), noise(BLOCK, 2)];
const expected = Buffer.concat(blocks);

function build(): Buffer {
  const streams = blocks.map((block) => deflateSync(block));
  const header = Buffer.alloc(TABLE + 8 * (blocks.length + 1));
  header.write('#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n');
  header.writeUInt32BE(BLOCK, 128);
  header.writeUInt32BE(blocks.length, 132);
  let offset = header.length;
  for (const [index, stream] of [...streams, Buffer.alloc(0)].entries()) {
    header.writeBigUInt64BE(BigInt(offset), TABLE + 8 * index);
    offset += stream.length;
  }
  return Buffer.concat([header, ...streams]);
}

async function contentOf(image: Uint8Array): Promise<Buffer> {
  const opened = await cloop.open!(new MemoryStore('x', image), context);
  const bytes = Buffer.alloc(opened.size);
  await opened.read(0, bytes);
  return bytes;
}

describeWith(['qemu-img'], 'cloop', () => {
  const scratch = scratchDirectory();
  const { theirs, succeeds } = bothPrograms(scratch);

  it('images are found and read as qemu-img does it', async () => {
    writeFileSync(scratch('image.cloop'), build());
    writeFileSync(scratch('disk.raw'), expected);
    expect(theirs('compare', '-F', 'raw', 'image.cloop', 'disk.raw')).toMatchObject({ status: 0 });
    await succeeds('compare', '-F', 'raw', 'image.cloop', 'disk.raw');
    expect(await succeeds('info', '--output=json', 'image.cloop')).toBe(
      theirs('info', '--output=json', 'image.cloop').stdout,
    );
  });
});

describe('damaged cloop images', () => {
  it.each<[string, (image: Buffer) => void, string]>([
    ['blocks of 513 bytes', (image) => image.writeUInt32BE(513, 128), 'block_size 513 must be a multiple of 512'],
    ['blocks of nothing', (image) => image.writeUInt32BE(0, 128), 'block_size cannot be zero'],
    ['blocks of 128 MiB', (image) => image.writeUInt32BE(2 ** 27, 128), 'must be 64 MB or less'],
    ['2^32 blocks', (image) => image.writeUInt32BE(0xffffffff, 132), 'n_blocks 4294967295 must be 536870911 or less'],
    ['2^28 blocks', (image) => image.writeUInt32BE(2 ** 28, 132), 'too many offsets'],
    ['a table beyond the end', (image) => image.writeUInt32BE(2 ** 20, 132), 'ends beyond the end of the file'],
    ['offsets that fall', (image) => image.writeUInt32BE(1, TABLE + 12), 'not monotonically increasing at index 1'],
    [
      'a stream of 2 GiB',
      (image) => image.writeUInt32BE(2 ** 31, TABLE + 12),
      'invalid compressed block size at index 1',
    ],
    ['a stream beyond the end', (image) => image.writeUInt32BE(2 ** 24, TABLE + 36), 'block 3 ends beyond the end'],
    ['offsets at 2^60', (image) => image.writeUInt32BE(2 ** 28, TABLE), 'too large'],
    ['a stream of nothing', (image) => image.copy(image, TABLE + 8, TABLE, TABLE + 8), 'Damaged compressed cluster'],
    ['a damaged stream', (image) => image.fill(0x55, image.length - 100), 'Damaged compressed cluster'],
  ])('%s: refused', async (_, damage, message) => {
    const image = build();
    damage(image);
    await expect(contentOf(image)).rejects.toThrow(message);
  });

  it('a sound one is read', async () => {
    expect((await contentOf(build())).equals(expected)).toBe(true);
  });
});
