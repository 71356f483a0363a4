/** UDIF images made by hand, read as qemu-img reads them; and what it does not read. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dmg } from '../../../src/formats/dmg/index.js';
import type { Image } from '../../../src/image/image.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { scratchDirectory } from '../../support/scratch.js';
import { kernels, noise } from '../qcow2/writing.js';
import { buildDmg, type ChunkSpec, type ImageSpec, TYPES, zlibChunk } from './build.js';
import { lines } from './lzfse-samples.js';

const context = { kernels, openReference: () => Promise.reject(new Error('no file is named')) };
const open = (image: Uint8Array): Promise<Image> => dmg.open!(new MemoryStore('x.dmg', image), context);

async function contentOf(image: Image): Promise<Buffer> {
  const bytes = Buffer.alloc(image.size, 0xee);
  await image.read(0, bytes);
  return bytes;
}

const text = (sectors: number) => Buffer.alloc(sectors * 512, 'abcdefgh, and so on; ');
const rawChunk = (content: Uint8Array): ChunkSpec => ({
  type: TYPES.raw,
  sectors: content.length / 512,
  stored: content,
});

/** An LZFSE stream of one plain block. */
function storedLzfse(content: Uint8Array): Buffer {
  const header = Buffer.from('bvx-0000');
  header.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, content, Buffer.from('bvx$')]);
}

const mixed: readonly ChunkSpec[] = [
  rawChunk(noise(2048, 1)),
  zlibChunk(text(512)),
  { type: TYPES.zero, sectors: 5000 },
  zlibChunk(noise(7 * 512, 2)),
  { type: TYPES.ignore, sectors: 3 },
  zlibChunk(text(3)),
  rawChunk(noise(512, 3)),
];

const expected = Buffer.concat([
  noise(2048, 1),
  text(512),
  Buffer.alloc(5000 * 512),
  noise(7 * 512, 2),
  Buffer.alloc(3 * 512),
  text(3),
  noise(512, 3),
]);

describeWith(['qemu-img'], 'UDIF images', () => {
  const scratch = scratchDirectory();
  const { theirs, succeeds } = bothPrograms(scratch);

  it.each<[string, ImageSpec]>([
    ['a property list', { chunks: mixed }],
    ['a resource fork', { chunks: mixed, fork: true }],
  ])('with %s are read as qemu-img reads them', async (_, spec) => {
    writeFileSync(scratch('image.dmg'), buildDmg(spec).image);
    writeFileSync(scratch('disk.raw'), expected);
    expect(theirs('compare', '-F', 'raw', 'image.dmg', 'disk.raw')).toMatchObject({ status: 0 });
    await succeeds('compare', '-F', 'raw', 'image.dmg', 'disk.raw');
    for (const output of ['human', 'json'])
      expect(await succeeds('info', `--output=${output}`, 'image.dmg')).toBe(
        theirs('info', `--output=${output}`, 'image.dmg').stdout,
      );
  });

  it('with something behind the trailer are found by that', async () => {
    const { image } = buildDmg({ chunks: mixed, appended: 5000 });
    const probe = (fileName: string) => dmg.probe({ head: image, tail: image, size: image.length, fileName });
    expect([probe('a.dmg'), probe('a')]).toEqual([51, 50]);
    expect(dmg.probe({ head: image, tail: image.subarray(0, 100), size: 100, fileName: 'a.dmg' })).toBe(2);
    expect((await contentOf(await open(image))).equals(expected)).toBe(true);
  });
});

describe('UDIF images', () => {
  it('say where their zeros are', async () => {
    const image = await open(buildDmg({ chunks: mixed }).image);
    const extents = await image.extents(1024, expected.length - 1024);
    expect(extents.map(({ kind, start, length, compressed }) => [kind, start / 512, length / 512, compressed])).toEqual(
      [
        ['data', 2, 2, false],
        ['data', 4, 512, true],
        ['zero', 516, 5000, false],
        ['data', 5516, 7, true],
        ['zero', 5523, 3, false],
        ['data', 5526, 3, true],
        ['data', 5529, 1, false],
      ],
    );
    expect(extents[0]!.hostOffset).toBe(1024);
  });

  it('are read from any sector to any other', async () => {
    const image = await open(buildDmg({ chunks: mixed }).image);
    for (const [from, to] of [
      [3, 5],
      [100, 101],
      [515, 517],
      [5510, 5530],
      [5524, 5529],
    ] as const) {
      const part = Buffer.alloc((to - from) * 512);
      await image.read(from * 512, part);
      expect(part.equals(expected.subarray(from * 512, to * 512))).toBe(true);
    }
  });

  it('with ADC chunks', async () => {
    // Literals; 3 bytes from 1 before; 67 from 4 before; 259 more in long matches, up to the end of the sector.
    const packed = [0x83, 1, 2, 3, 4, 0x00, 0x00, 0x7f, 0x00, 0x03, ...[...Array(6)].flatMap(() => [0x7f, 0x00, 0x03])];
    const content = [1, 2, 3, 4, 4, 4, 4];
    while (content.length < 7 + 67 + 6 * 67) content.push(content[content.length - 4]!);
    const rest = 512 - content.length;
    const stored = Uint8Array.from([...packed, 0x7f & (0x80 | (rest - 4) | 0x40), 0x00, 0x03]);
    while (content.length < 512) content.push(content[content.length - 4]!);
    const image = buildDmg({ chunks: [{ type: TYPES.adc, sectors: 1, stored }] }).image;
    expect([...(await contentOf(await open(image)))]).toEqual(content);
  });

  it('with bzip2 and LZFSE chunks', async () => {
    const content = Buffer.from(lines(300)).subarray(0, 512 * Math.floor(lines(300).length / 512));
    const { stdout } = spawnSync('bzip2', { input: content });
    const lzfse = storedLzfse(content);
    const chunks = [
      { type: TYPES.bzip2, sectors: content.length / 512, stored: stdout },
      { type: TYPES.lzfse, sectors: content.length / 512, stored: lzfse },
    ];
    const image = await open(buildDmg({ chunks }).image);
    expect((await contentOf(image)).equals(Buffer.concat([content, content]))).toBe(true);
  });

  it.each([
    ['literals beyond the stream', [0xff, 1, 2]],
    ['a match before the beginning', [0x80, 1, 0x00, 0x01]],
    ['a match cut off', [0x80, 1, 0x40, 0x00]],
    ['too much', [0x80, 1, ...[...Array(8)].flatMap(() => [0x7f, 0, 0])]],
    ['too little', [0x80, 1]],
  ])('with damaged ADC chunks: %s', async (_, packed) => {
    const stored = Uint8Array.from(packed);
    const image = await open(buildDmg({ chunks: [{ type: TYPES.adc, sectors: 1, stored }] }).image);
    await expect(contentOf(image)).rejects.toThrow('the ADC stream is damaged');
  });

  it('with LZMA chunks, which are XZ streams', async () => {
    const contents = [text(700), noise(512 * 30, 5)];
    const chunks = contents.map((content) => {
      const { stdout } = spawnSync('xz', { input: content });
      return { type: TYPES.lzma, sectors: content.length / 512, stored: stdout };
    });
    const image = await open(buildDmg({ chunks }).image);
    expect((await contentOf(image)).equals(Buffer.concat(contents))).toBe(true);
    const part = new Uint8Array(512);
    await image.read(512 * 701, part);
    expect(Buffer.compare(part, contents[1]!.subarray(512, 1024))).toBe(0);
    for (const [sectors, why] of [
      [699, 'it holds too many bytes'],
      [701, 'it holds too few bytes'],
    ] as const) {
      const wrong = await open(buildDmg({ chunks: [{ ...chunks[0]!, sectors }] }).image);
      await expect(contentOf(wrong)).rejects.toThrow(`the xz stream is damaged, ${why}`);
    }
    const cut = await open(buildDmg({ chunks: [{ ...chunks[0]!, length: 50 }] }).image);
    await expect(contentOf(cut)).rejects.toThrow('the xz stream is damaged');
  });

  it('with chunks of an unknown type are described, and not read', async () => {
    const chunk = { type: 0x12345678, sectors: 1, stored: new Uint8Array(9) };
    const image = await open(buildDmg({ chunks: [chunk] }).image);
    expect(image.size).toBe(512);
    await expect(contentOf(image)).rejects.toThrow('UDIF chunks of type 0x12345678 are not supported');
  });

  const refusals: [what: string, damage: (image: Buffer, trailer: number) => void, why: string][] = [
    ['no trailer', (image, trailer) => image.fill(0, trailer, trailer + 4), 'Could not locate UDIF trailer'],
    ['a list beyond the end', (image, trailer) => image.writeUInt32BE(0x7fffffff, trailer + 228), 'beyond the end'],
    ['a fork beyond the end', (image, trailer) => image.writeUInt32BE(0x7fffffff, trailer + 52), 'beyond the end'],
    ['data beyond the end', (image, trailer) => image.writeUInt32BE(0x7fffffff, trailer + 28), 'beyond the end'],
    ['no tables', (image, trailer) => image.fill(0, trailer + 224, trailer + 232), 'neither a property list nor'],
    ['a disk of 2^60 sectors', (image, trailer) => image.fill(255, trailer + 492, trailer + 500), 'too large'],
    ['a disk of 2^45 sectors', (image, trailer) => image.writeUInt16BE(0x20, trailer + 493), 'too large'],
  ];

  it.each(refusals)('%s: refused', async (_, damage, why) => {
    const { image, trailer } = buildDmg({ chunks: mixed });
    damage(image, trailer);
    await expect(open(image)).rejects.toThrow(why);
  });

  it('a list that ends within its data: refused', async () => {
    const { image } = buildDmg({ chunks: mixed });
    image.write('<?data>', image.indexOf('</data>'));
    await expect(open(image)).rejects.toThrow('The UDIF property list is damaged');
  });

  it.each<[string, ChunkSpec[], string]>([
    ['two chunks in one place', [mixed[0]!, { ...mixed[1]!, firstSector: 3 }], "hold the disk's byte 1536"],
    ['a gap', [mixed[0]!, { ...mixed[1]!, firstSector: 5 }], "No chunk of the UDIF image holds the disk's byte 2048"],
    ['a chunk of 64 MiB and a sector', [{ ...mixed[1]!, sectors: 131073 }], 'sector count 131073 is larger than max'],
    ['a stream above 64 MiB', [{ ...mixed[1]!, length: 67108865 }], 'chunk length 67108865 is larger than max'],
    ['a chunk beyond the end', [{ ...mixed[1]!, length: 1000000 }], 'ends beyond the end of the file'],
    ['a plain chunk that is too short', [{ ...mixed[0]!, length: 2047 }], 'is too short'],
    ['a stream that is too short', [{ ...mixed[1]!, sectors: 513 }], 'Damaged compressed cluster'],
    ['a chunk at 2^60', [{ ...mixed[1]!, firstSector: 2 ** 51 }], 'too far away'],
  ])('%s: refused', async (_, chunks, why) => {
    await expect(async () => contentOf(await open(buildDmg({ chunks }).image))).rejects.toThrow(why);
  });

  it.each([
    ['longer than it is', 8, 0xffffff],
    ['without content', 8, 0],
    ['that begins beyond its end', 0, 0xffffff],
    ['whose resource is longer than it is', 256, 0xffffff],
    ['whose resource is empty', 256, 0],
  ])('a resource fork %s: refused', async (_, at, value) => {
    const { image, resources } = buildDmg({ chunks: mixed, fork: true });
    image.writeUInt32BE(value, resources + at);
    await expect(open(image)).rejects.toThrow('The UDIF resource fork is damaged');
  });
});
