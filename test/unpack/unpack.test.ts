/** Packed files by the platform's own decoders, whole, damaged and vast. */
import { spawnSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeZstdStream } from '../../src/codecs/zstd.js';
import { ImageError } from '../../src/errors.js';
import { nodeUnpacking } from '../../src/platform/node/unpacking.js';
import { MemoryStore } from '../../src/storage/memory.js';
import type { ByteSource } from '../../src/storage/storage.js';
import { unpack } from '../../src/unpack/unpack.js';
import type { Scratch, UnpackWishes } from '../../src/unpack/unpacking.js';
import { describeWith } from '../support/judges.js';
import { PlainKernels } from '../support/plain-kernels.js';
import { Random } from '../support/random.js';
import { rejection } from '../support/rejection.js';
import { ovfOf, paxOf, tarOf } from './tar-builder.js';

const random = new Random(1);
const kernels = new PlainKernels();

/** What the file holds, and what was written to keep it. */
async function unpacked(
  file: Uint8Array,
  wishes: UnpackWishes & { room?: number } = {},
): Promise<{ source: ByteSource | null; content: Buffer | null; written: number }> {
  let written = 0;
  const createScratch = async (): Promise<Scratch> => {
    const store = new MemoryStore('scratch');
    const write = store.write.bind(store);
    store.write = (offset, bytes) => {
      written += bytes.length;
      return write(offset, bytes);
    };
    return { store, room: () => wishes.room ?? null };
  };
  const source = await unpack(new MemoryStore('disk', file), {
    ...wishes,
    unpacking: { ...nodeUnpacking, createScratch },
    kernels,
    onScratch() {},
  });
  if (source === null) return { source, content: null, written };
  const content = Buffer.alloc(source.size);
  await source.read(0, content);
  return { source, content, written };
}

/** As a whole: the usual comparison takes seconds. */
function expectBytes(content: Buffer | null, expected: Uint8Array): void {
  expect(content?.length).toBe(expected.length);
  expect(content?.equals(expected)).toBe(true);
}

/** 3 MB: noise, zeros, text. */
const DISK = Buffer.concat([random.bytes(700_000), Buffer.alloc(1_500_000), Buffer.alloc(800_000, 'some text, ')]);

function pack(program: string, args: string[], input: Uint8Array): Buffer {
  const { stdout, status } = spawnSync(program, [...args, '-c'], { input, maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(program);
  return stdout;
}

describe('packed files', () => {
  it('are told by their content', async () => {
    expect((await unpacked(DISK)).source).toBeNull();
    expect((await unpacked(new Uint8Array(0))).source).toBeNull();
    expectBytes((await unpacked(gzipSync(DISK))).content, DISK);
  });

  it('may hold each other, but not without an end', async () => {
    let file: Uint8Array = gzipSync(tarOf({ name: 'disk.raw.gz', content: gzipSync(DISK) }));
    expectBytes((await unpacked(file)).content, DISK);
    for (let count = 0; count < 3; count++) file = gzipSync(file);
    expect(await rejection(() => unpacked(file))).toMatchObject({
      code: 'unsupported',
      message: 'It is packed too often',
    });
  });

  it('cost no space for zeros', async () => {
    const { content, written } = await unpacked(gzipSync(Buffer.alloc(20_000_000)));
    expect(content).toHaveLength(20_000_000);
    expect(written).toBe(0);
  });

  it('are refused beyond the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    expect((await unpacked(bomb, { limit: 20_000_000 })).content).toHaveLength(20_000_000);
    const error = await rejection(() => unpacked(bomb, { limit: 19_999_999 }));
    expect(error.message).toBe('It unpacks to more than 19999999 bytes; use --unpack-limit to allow more');
  });

  it('are refused where the disk is nearly full', async () => {
    expect(await rejection(() => unpacked(gzipSync(DISK), { room: 1000 }))).toMatchObject({ code: 'no-space' });
  });
});

describeWith(['gzip', 'xz', 'bzip2', 'zstd'], 'what compressors write', () => {
  const packings: [name: string, program: string, args: string[]][] = [
    ['gzip', 'gzip', []],
    ['xz', 'xz', ['-9']],
    ['xz in blocks', 'xz', ['--block-size=500000', '--check=crc32']],
    ['bzip2', 'bzip2', []],
    ['bzip2 in small blocks', 'bzip2', ['-1']],
    ['zstd', 'zstd', []],
    ['zstd with a large window', 'zstd', ['--long=24', '-19']],
    ['zstd without a checksum', 'zstd', ['--no-check', '-1']],
  ];

  it.each(packings)('%s', async (_, program, args) => {
    expect((await unpacked(pack(program, args, DISK))).content?.equals(DISK)).toBe(true);
  });

  it.each(packings)('%s, one stream behind the other', async (_, program, args) => {
    const file = Buffer.concat([0, 1_000_000, 2_000_000].map((at) => pack(program, args, DISK.subarray(at, at + 1e6))));
    expect((await unpacked(file)).content?.equals(DISK)).toBe(true);
  });

  it.each(packings)('%s, cut off', async (_, program, args) => {
    const file = pack(program, args, DISK);
    for (const length of [file.length - 1, file.length - 9, file.length >> 1, 20]) {
      const error = await rejection(() => unpacked(file.subarray(0, length)));
      expect(error).toBeInstanceOf(ImageError);
      expect(error).toMatchObject({ code: 'corrupt' });
      expect(error.message).toMatch(/^Could not decompress: the \w+ stream is damaged[^\n]*$/);
    }
  });

  it.each(packings)('%s, with any byte wrong', async (_, program, args) => {
    const small = Buffer.concat([random.bytes(300), Buffer.alloc(20_000, 'abcd'), Buffer.alloc(9000)]);
    const file = pack(program, args, small);
    for (let at = 0; at < file.length; at += 1 + Math.floor(file.length / 150)) {
      const damaged = Buffer.from(file);
      damaged[at]! ^= 0x55;
      const outcome = await unpacked(damaged).catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(ImageError);
    }
  });

  it('a vast window is refused', async () => {
    const file = pack('zstd', ['--ultra', '--long=31', '-1'], DISK);
    expect(await rejection(() => unpacked(file))).toMatchObject({ code: 'unsupported' });
  });

  // `fzstd` loses a bit of distances from 96 MiB on.
  it('a window that our decoder cannot handle is refused', async () => {
    const file = pack('zstd', ['--long=27', '-1'], DISK);
    const read = async () => {
      for await (const _ of decodeZstdStream(Readable.from([new Uint8Array(file)])));
    };
    expect(await rejection(read)).toMatchObject({ code: 'unsupported' });
  });

  it('very many streams of nothing take no time', async () => {
    const both = Buffer.concat(['-1', '-9'].map((level) => pack('bzip2', [level], Buffer.alloc(0))));
    const nothing = Array<Buffer>(10_000).fill(both);
    const disk = DISK.subarray(0, 5000);
    const { content } = await unpacked(Buffer.concat([pack('bzip2', [], disk), ...nothing]));
    expectBytes(content, disk);
  });

  it('an unknown check is refused', async () => {
    const error = await rejection(() => unpacked(pack('xz', ['--check=sha256'], DISK)));
    expect(error).toMatchObject({ code: 'unsupported' });
  });
});

describe('archives', () => {
  const disk = DISK.subarray(0, 100_000);

  it('of one file hold that one', async () => {
    const { source, content } = await unpacked(tarOf({ name: './anything', content: disk }));
    expectBytes(content, disk);
    expect(await source!.extents!(0, disk.length)).toEqual([{ start: 0, length: disk.length, hole: false }]);
  });

  it('hold the one that is called like a disk, or the one that is named', async () => {
    const file = tarOf(
      { name: 'box/', type: '5' },
      { name: 'box/metadata.json', content: '{}' },
      { name: 'box/box.img', content: disk },
    );
    expectBytes((await unpacked(file)).content, disk);
    expectBytes((await unpacked(file, { member: 'box/metadata.json' })).content, Buffer.from('{}'));
    const error = await rejection(() => unpacked(file, { member: 'other' }));
    expect(error).toMatchObject({ code: 'not-found', message: "The archive has no file 'other'" });
  });

  it('hold what their OVF descriptor calls a disk', async () => {
    const ovf = (disks: string[]) => ({ name: 'vm.ovf', content: ovfOf({ f1: 'one', f2: 'b.vmdk' }, disks) });
    const files = [
      { name: 'b.vmdk', content: 'second' },
      { name: 'one', content: disk },
    ];
    expectBytes((await unpacked(tarOf(ovf(['f1']), ...files))).content, disk);
    const error = await rejection(() => unpacked(tarOf(ovf(['f1', 'f2']), ...files)));
    expect(error.message).toBe("The archive holds several disk images, choose by --member: 'one', 'b.vmdk'");
    expectBytes((await unpacked(tarOf(ovf(['f1', 'f2']), ...files), { member: 'one' })).content, disk);
  });

  it.each([
    ['nothing', tarOf({ name: 'd/', type: '5' }), 'The archive holds no disk image'],
    ['two disks', tarOf({ name: 'a.img' }, { name: 'b.img' }), 'The archive holds several disk images'],
    ['a size beyond the end', tarOf({ name: 'a', size: 99_999 }), 'The tar archive is cut off'],
    ['a negative size', tarOf({ name: 'a', size: Buffer.alloc(12, 0xff) }), 'A number in the tar archive is damaged'],
    ['a size of letters', tarOf({ name: 'a', size: Buffer.from('12x45678901\0') }), 'A number in the tar archive'],
    ['a wrong checksum', Buffer.concat([tarOf({ name: 'a' }).subarray(0, 512), disk]), 'The tar archive is damaged at'],
    ['a vast extension', tarOf({ name: 'x', type: 'x', content: Buffer.alloc(2e6) }), 'An extended header of the tar'],
    ['a record without end', tarOf({ name: 'x', type: 'x', content: '99 a=b\n' }), 'An extended header of the tar'],
    ['a record of no length', tarOf({ name: 'x', type: 'x', content: '0 a=b\n' }), 'An extended header of the tar'],
    ['a damaged descriptor', tarOf({ name: 'a.ovf', content: '<a><b></a>' }), 'The OVF descriptor is damaged'],
    ['an entity', tarOf({ name: 'a.ovf', content: '<a>&b;</a>' }), 'The OVF descriptor is damaged'],
    ['a missing disk', tarOf({ name: 'a.ovf', content: ovfOf({ f: 'x' }, ['f']) }), "The OVF descriptor names 'x'"],
    ['a missing file', tarOf({ name: 'a.ovf', content: ovfOf({}, ['f']) }), "The OVF descriptor names no file for 'f'"],
    [
      'chunks',
      tarOf({ name: 'a.ovf', content: '<File chunkSize="9" id="f"/>' }),
      'The OVF descriptor names files that',
    ],
  ])('with %s are refused', async (_, file, message) => {
    const error = await rejection(() => unpacked(file));
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(message);
  });

  it('may have sizes and names in extended headers', async () => {
    const name = `${'d'.repeat(120)}/disk.img`;
    const pax = { name: 'x', type: 'x', content: paxOf({ path: name, size: String(disk.length) }) };
    const file = tarOf(pax, { name: 'short', content: disk, size: 0 }, { name: 'other' });
    expectBytes((await unpacked(file, { member: name })).content, disk);
    const long = tarOf({ name: '././@LongLink', type: 'L', content: `${name}\0` }, { name: 'short', content: disk });
    expectBytes((await unpacked(long, { member: name })).content, disk);
  });

  const sparse = (pairs: [number, number][], size: number, content: Uint8Array) =>
    tarOf({
      name: 'disk',
      type: 'S',
      content,
      change(header) {
        for (const [index, pair] of pairs.entries())
          for (const [half, value] of pair.entries())
            header.write(`${value.toString(8).padStart(11, '0')}\0`, 386 + 24 * index + 12 * half);
        header.write(`${size.toString(8).padStart(11, '0')}\0`, 483);
      },
    });

  it('may have files with holes', async () => {
    const { source, content } = await unpacked(
      sparse(
        [
          [512, 1000],
          [4096, 24],
        ],
        9000,
        disk.subarray(0, 1024),
      ),
    );
    const expected = Buffer.alloc(9000);
    expected.set(disk.subarray(0, 1000), 512);
    expected.set(disk.subarray(1000, 1024), 4096);
    expectBytes(content, expected);
    expect(await source!.extents!(100, 4000)).toEqual([
      { start: 100, length: 412, hole: true },
      { start: 512, length: 1000, hole: false },
      { start: 1512, length: 2584, hole: true },
      { start: 4096, length: 4, hole: false },
    ]);
    for (const at of [0, 511, 512, 1400, 1511, 4095, 4119, 8999]) {
      const byte = new Uint8Array(1);
      await source!.read(at, byte);
      expect(byte[0]).toBe(expected[at]);
    }
  });

  it.each([
    [
      'overlap',
      [
        [0, 100],
        [50, 100],
      ],
      500,
    ],
    [
      'descend',
      [
        [200, 100],
        [0, 100],
      ],
      500,
    ],
    [
      'lie behind the end',
      [
        [0, 100],
        [450, 100],
      ],
      500,
    ],
    [
      'are larger than what is stored',
      [
        [0, 100],
        [200, 1000],
      ],
      5000,
    ],
  ] as [string, [number, number][], number][])('are refused where stretches of a file %s', async (_, pairs, size) => {
    const error = await rejection(() => unpacked(sparse(pairs, size, disk.subarray(0, 200))));
    expect(error.message).toBe('The map of a sparse file in the tar archive is damaged');
  });

  it.each([
    ['1.0', { 'GNU.sparse.realsize': '900' }, '99999999\n'],
    ['0.1', { 'GNU.sparse.map': '0,1,2' }, ''],
  ])('are refused where the map in notation %s is damaged', async (version, records, content) => {
    const pax = { 'GNU.sparse.major': version[0]!, 'GNU.sparse.minor': version[2]!, ...records };
    const file = tarOf(
      { name: 'x', type: 'x', content: paxOf(pax) },
      { name: 'disk', content: Buffer.alloc(512, content) },
    );
    expect((await rejection(() => unpacked(file))).message).toContain('The map of a sparse file in the tar archive is');
  });
});
