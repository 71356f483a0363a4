/** Kinds of extents, descriptors and damage that no program here makes, built field by field. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../../src/errors.js';
import { vmdk } from '../../../src/formats/vmdk/index.js';
import type { Image } from '../../../src/image/image.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg } from '../../support/qemu.js';
import { rejection } from '../../support/rejection.js';
import { scratchDirectory } from '../../support/scratch.js';
import {
  type Bytes,
  contentOf,
  cowd,
  Disk,
  descriptor,
  type Files,
  GRAIN,
  hosted,
  hostedContent,
  openFiles,
  SECTOR,
  seSparse,
  stream,
} from './build.js';

const flat = new Uint8Array(20 * SECTOR).map((_, at) => 1 + (at >> 9));

async function kinds(image: Image): Promise<string[]> {
  const extents = [];
  for (let at = 0; at < image.size; ) {
    for (const extent of await image.extents(at, image.size - at)) {
      extents.push(`${extent.kind} ${extent.length}`);
      at = extent.start + extent.length;
    }
  }
  return extents;
}

/** The bytes that stand for such sectors of `flat`, and zeros. */
function sectors(...values: number[]): Uint8Array {
  return Uint8Array.from({ length: values.length * SECTOR }, (_, at) => values[at >> 9]!);
}

describe('descriptors', () => {
  const cases: [what: string, text: string][] = [
    ['as they are', descriptor('monolithicFlat', ['RW 4 FLAT "flat" 2'])],
    ['with CRLF', descriptor('monolithicFlat', ['RW 4 FLAT "flat" 2']).replaceAll('\n', '\r\n')],
    ['with a blank missing', descriptor('monolithicFlat', ['RW 4FLAT "flat" 2'])],
    ['of VMware ESX', descriptor('vmfs', ['RW 4 VMFS "late"'])],
    ['with blanks', descriptor('monolithicFlat', ['  RW   4  FLAT  "flat"  2']).replace('CID=', 'CID = ')],
    ['without a line feed at the end', descriptor('twoGbMaxExtentFlat', ['RW 4 FLAT "flat" 2']).trimEnd()],
  ];

  it.each(cases)('are read %s', async (_, text) => {
    const image = await openFiles({ 'main.vmdk': text, flat, late: flat.slice(2 * SECTOR) });
    expect(Buffer.compare(await contentOf(image), sectors(3, 4, 5, 6))).toBe(0);
    expect(vmdk.probe({ head: new TextEncoder().encode(text), tail: new Uint8Array(), size: 1, fileName: '' })).toBe(
      100,
    );
  });

  it('put extents end to end: of one file, only for reading, of zeros', async () => {
    const lines = ['RW 2 FLAT "flat" 4', 'RDONLY 1 FLAT "flat" 0', 'RW 3 ZERO', 'RW 1 FLAT "flat" 19', 'RW 0 ZERO'];
    const image = await openFiles({ 'main.vmdk': descriptor('custom', lines), flat });
    expect(Buffer.compare(await contentOf(image), sectors(5, 6, 1, 0, 0, 0, 20))).toBe(0);
    expect(await kinds(image)).toEqual(['data 1024', 'data 512', 'zero 1536', 'data 512']);
    const part = new Uint8Array(700);
    await image.read(900, part);
    expect(part).toEqual(sectors(5, 6, 1, 0, 0, 0, 20).subarray(900, 1600));
  });

  it('forbid to read an extent, but not to ask what the disk is', async () => {
    const image = await openFiles({
      'main.vmdk': descriptor('custom', ['RW 1 FLAT "flat" 0', 'NOACCESS 3 FLAT "flat" 1']),
      flat,
    });
    expect(image.size).toBe(4 * SECTOR);
    expect(image.unreadable?.message).toBe("Access to the extent 'flat' is not allowed (NOACCESS)");
  });

  it.each([
    ['RW 4 VMFS "flat" 1', 'Invalid extent line: RW 4 VMFS "flat" 1'],
    ['RW 4 FLAT "flat"', 'Invalid extent line: RW 4 FLAT "flat"'],
    ['RW 4 FLAT "flat" -1', 'Invalid extent line: RW 4 FLAT "flat" -1'],
    ['RW 4 FLAT', 'Invalid extent line: RW 4 FLAT'],
    ['RW 4 SPARSE "flat" 0', 'Invalid extent line: RW 4 SPARSE "flat" 0'],
    ['RW 99999999999999999999 FLAT "flat" 0', 'Invalid extent line: RW 99999999999999999999 FLAT "flat" 0'],
    ['RW 4 VMFSRDM "flat"', "Unsupported extent type 'VMFSRDM'"],
    ['RW 4 SPARSE "flat"', 'Image not in VMDK format'],
    ['RW 4 SPARSE "main.vmdk"', 'Image not in VMDK format'],
    ['RW 4 SESPARSE "flat"', 'Bad const header magic: 0x0101010101010101'],
  ])('%s is refused', async (line, message) => {
    const error = await rejection(() => openFiles({ 'main.vmdk': descriptor('custom', [line]), flat }));
    expect(error.message).toBe(message);
  });

  it.each([
    ['createType', /createType.*\n/, 'invalid VMDK image descriptor'],
    ['CID', /CID=1.*\n/, "Could not open 'main.vmdk': Invalid argument"],
    ['parentCID', /parentCID.*\n/, "Could not open 'main.vmdk': Invalid argument"],
  ])('one without %s is refused', async (_, line, message) => {
    const text = descriptor('monolithicFlat', ['RW 1 FLAT "flat" 0']).replace(line, '');
    expect((await rejection(() => openFiles({ 'main.vmdk': text, flat }))).message).toBe(message);
  });

  it('of a kind that consists of other things is refused', async () => {
    const error = await rejection(() => openFiles({ 'main.vmdk': descriptor('fullDevice', []) }));
    expect(error.message).toBe("Unsupported image type 'fullDevice'");
  });

  it('name the parent', async () => {
    const text = descriptor('monolithicFlat', ['RW 1 FLAT "flat" 0'], 'parentFileNameHint="base.vmdk"');
    const image = await openFiles({ 'main.vmdk': text, flat });
    expect(image.backing).toEqual({ name: 'base.vmdk', format: 'vmdk' });
    const own = await openFiles({ 'main.vmdk': hosted().bytes });
    expect(image.objectsTo!(own)?.message).toBe('Invalid argument');
    const over = text.replace('parentCID=ffffffff', 'parentCID=1234abcd');
    expect((await openFiles({ 'main.vmdk': over, flat })).objectsTo!(own)).toBe(null);
  });

  it('change their CID with the first write, whatever their encoding and line ends', async () => {
    const text = Buffer.from(
      descriptor('monolithicFlat', ['RW 4 FLAT "fl\xe4t" 2'], 'encoding="windows-1252"'),
      'latin1',
    );
    const crlf = Buffer.from(text.toString('latin1').replaceAll('\n', '\r\n').replace('fl\xe4t', 'flat'), 'latin1');
    crlf[crlf.indexOf('ide')] = 0xe4;
    const disk = new Disk({ 'main.vmdk': crlf, flat });
    const editor = await vmdk.edit!(disk.main, { compress: false, flush: true }, disk.context);
    await editor.zero(SECTOR, SECTOR);
    await editor.write(0, new Uint8Array(SECTOR).fill(99));
    await editor.finish();
    expect(Buffer.compare(await contentOf(await disk.open()), sectors(99, 0, 5, 6))).toBe(0);
    const before = crlf.toString('latin1').split('\r\n');
    const after = Buffer.from(disk.main.bytes).toString('latin1').split('\r\n');
    expect(after.filter((line, index) => line !== before[index])).toEqual([expect.stringMatching(/^CID=[0-9a-f]+$/)]);
  });
});

describe('sparse extents', () => {
  it('hosted, with and without tables', async () => {
    expect(Buffer.compare(await contentOf(await openFiles({ 'main.vmdk': hosted().bytes })), hostedContent())).toBe(0);
    const none = hosted().u32(21 * SECTOR, 0).bytes;
    expect(await kinds(await openFiles({ 'main.vmdk': none }))).toEqual([`unallocated ${3.5 * GRAIN}`]);
  });

  it('grains of zeros, where the header allows them', async () => {
    const file = (flags: number) => hosted(2, flags).u32(22 * SECTOR + 4, 1).bytes;
    expect(await kinds(await openFiles({ 'main.vmdk': file(5) }))).toContain(`zero ${GRAIN}`);
    const error = await rejection(async () => contentOf(await openFiles({ 'main.vmdk': file(1) })));
    expect(error.code).toBe('corrupt');
  });

  it('COWD, by itself and named by a descriptor', async () => {
    const expected = new Uint8Array(2100 * SECTOR).fill(1, 0, SECTOR).fill(2, 2099 * SECTOR);
    const named = descriptor('vmfsSparse', ['RW 2100 VMFSSPARSE "delta"']);
    const both: Files[] = [{ 'main.vmdk': cowd().bytes }, { 'main.vmdk': named, delta: cowd().bytes }];
    for (const files of both) expect(Buffer.compare(await contentOf(await openFiles(files)), expected)).toBe(0);
  });

  it('COWD is written to, with tables that it has not had yet', async () => {
    const disk = new Disk({ 'main.vmdk': cowd().u32(4 * SECTOR, 0).bytes });
    const editor = await vmdk.edit!(disk.main, { compress: false, flush: true }, disk.context);
    await editor.write(5 * SECTOR + 100, new Uint8Array(1000).fill(3));
    await editor.finish();
    const expected = new Uint8Array(2100 * SECTOR).fill(3, 5 * SECTOR + 100, 5 * SECTOR + 1100);
    expect(Buffer.compare(await contentOf(await disk.open()), expected)).toBe(0);
  });

  it('seSparse', async () => {
    const files = { 'main.vmdk': descriptor('seSparse', ['RW 64 SESPARSE "delta"']), delta: seSparse().bytes };
    const image = await openFiles(files);
    expect(
      Buffer.compare(await contentOf(image), new Uint8Array(64 * SECTOR).fill(1, 0, 4096).fill(2, 4 * 4096, 5 * 4096)),
    ).toBe(0);
    expect(await kinds(image)).toEqual([
      'data 4096',
      'unallocated 4096',
      'zero 8192',
      'data 4096',
      'unallocated 12288',
    ]);
    const disk = new Disk(files);
    const error = await rejection(() => vmdk.edit!(disk.main, { compress: false, flush: true }, disk.context));
    expect(error.message).toBe('No write support for seSparse images available');
  });

  it.each([true, false])('streams with a footer; their last grain is whole: %s', async (whole) => {
    const image = await openFiles({ 'main.vmdk': stream(whole).bytes });
    expect(Buffer.compare(await contentOf(image), hostedContent())).toBe(0);
    const tail = new Uint8Array(1000);
    await image.read(image.size - 1000, tail);
    expect(tail).toEqual(new Uint8Array(1000).fill(5));
  });

  it('version 3 without compression is only read', async () => {
    const disk = new Disk({ 'main.vmdk': hosted(3).bytes });
    expect(Buffer.compare(await contentOf(await disk.open()), hostedContent())).toBe(0);
    const error = await rejection(() => vmdk.edit!(disk.main, { compress: false, flush: true }, disk.context));
    expect(error.message).toBe('VMDK version 3 must be read only');
  });
});

/** Opens such a file and asks what its beginning is. */
async function look(file: Uint8Array): Promise<void> {
  const image = await openFiles({ 'main.vmdk': file });
  if (image.size > 0) await image.extents(0, Math.min(image.size, 1 << 20));
}

describe('damage', () => {
  const damaged = (change: (file: Bytes) => unknown, make = hosted) => {
    const file = make();
    change(file);
    return rejection(async () => contentOf(await openFiles({ 'main.vmdk': file.bytes })));
  };

  it.each<[what: string, change: (file: Bytes) => unknown, message: string | RegExp]>([
    ['version', (file) => file.u32(4, 4), 'Unsupported VMDK version 4'],
    ['entries of a table', (file) => file.u32(44, 513), 'L2 table size too big'],
    ['no entries', (file) => file.u32(44, 0), 'L1 entry size is invalid'],
    ['no grains', (file) => file.u64(20, 0), 'L1 entry size is invalid'],
    ['large grains', (file) => file.u64(20, 0x200001), 'Invalid granularity, image may be corrupt'],
    ['capacity', (file) => file.u64(12, 0xffff_ffff_ffff_ffffn), 'L1 size too big'],
    ['capacity without tables', (file) => file.u64(12, 0xffff_ffff), /directory ends beyond the end/],
    ['overhead', (file) => file.u64(64, 100_000), 'File truncated, expecting at least 51200000 bytes'],
    ['directory behind the end', (file) => file.u64(56, 100_000), /directory ends beyond the end/],
    ['directory nowhere', (file) => file.u64(56, 2n ** 60n), /directory lies beyond the end/],
    ['table behind the end', (file) => file.u32(21 * SECTOR, 100_000), /beyond the end of the file/],
    ['grain behind the end', (file) => file.u32(22 * SECTOR, 100_000), /beyond the end of its file/],
    ['grain in the header', (file) => file.u64(20, 8).u32(22 * SECTOR, 21), /overlaps with the image's own structures/],
    ['grain over the directory', (file) => file.u32(22 * SECTOR, 20), /overlaps with the image's own structures/],
  ])('of a hosted file: %s', async (_, change, message) => {
    const error = await damaged(change);
    expect(error.message).toMatch(message);
    expect(['corrupt', 'unsupported']).toContain(error.code);
  });

  it('tables that overlap do not make an endless disk', async () => {
    const file = hosted()
      .u64(12, 512 * 128 * 300)
      .u64(56, 600)
      .u32(600 * SECTOR, ...new Array(300).fill(22));
    const error = await rejection(() => openFiles({ 'main.vmdk': file.bytes }));
    expect(error.message).toBe('The extent has more grain tables than its file has room for');
  });

  it.each<[what: string, change: (file: Bytes) => unknown, message: RegExp]>([
    ['no footer', (file) => file.grow(file.bytes.length + SECTOR), /^Invalid footer$/],
    ['a marker without bytes', (file) => file.u32(128 * SECTOR + 8, 0), /the marker tells of 0 bytes/],
    ['a marker with too many', (file) => file.u32(128 * SECTOR + 8, 0xffff_ffff), /the marker tells of 4294967295/],
    ['a wrong checksum', (file) => file.u32(128 * SECTOR + 8, 20), /Damaged compressed cluster/],
    ['no stream', (file) => file.put(128 * SECTOR + 12, new Uint8Array(40)), /invalid zlib header/],
  ])('of a stream: %s', async (_, change, message) => {
    expect((await damaged(change, () => stream())).message).toMatch(message);
  });

  it.each<[what: string, change: (file: Bytes) => unknown, message: string | RegExp]>([
    ['grains of no sectors', (file) => file.u32(16, 0), 'Invalid granularity, image may be corrupt'],
    ['a directory too small', (file) => file.u32(12, 5000), /directory is too small/],
    ['a directory behind the end', (file) => file.u32(20, 100_000), /directory ends beyond/],
  ])('of a COWD file: %s', async (_, change, message) => {
    expect((await damaged(change, cowd)).message).toMatch(message);
  });

  it.each<[what: string, change: (file: Bytes) => unknown, message: string | RegExp]>([
    ['version', (file) => file.u64(8, 7), 'Unsupported version: 0x0000000000000007'],
    ['grain size', (file) => file.u64(24, 16), 'Unsupported grain size: 16'],
    ['table size', (file) => file.u64(32, 1), 'Unsupported grain table size: 1'],
    ['flags', (file) => file.u64(40, 1), 'Unsupported flags: 0x0000000000000001'],
    ['padding', (file) => file.u64(300, 1), 'Unsupported non-zero const header padding'],
    ['volatile header', (file) => file.u64(512, 1), 'Bad volatile header magic: 0x0000000000000001'],
    ['a journal', (file) => file.u64(512 + 24, 1), 'Image is dirty, Replaying journal not supported'],
    ['directory entry', (file) => file.u64(1024, 5), 'Invalid grain directory entry 0'],
    ['grain entry', (file) => file.u64(1536, 5), 'Invalid grain table entry of grain 0'],
    ['grain behind the end', (file) => file.u64(1536, 0x3fff_0000_0000_0000n), /beyond the end of its file/],
    ['tables behind the end', (file) => file.u64(152, 64_000), /tables end beyond the end/],
  ])('of an seSparse file: %s', async (_, change, message) => {
    const file = seSparse();
    change(file);
    const files = { 'main.vmdk': descriptor('seSparse', ['RW 64 SESPARSE "delta"']), delta: file.bytes };
    const error = await rejection(async () => contentOf(await openFiles(files)));
    expect(error.message).toMatch(message);
  });

  it('each bit of what is not data: an error that says so, or some disk', async () => {
    for (const make of [hosted, () => stream(), cowd]) {
      const original = make().bytes;
      for (let bit = 0; bit < 8 * 1024; bit += 7) {
        const image = original.slice();
        image[bit >> 3]! ^= 1 << (bit & 7);
        const failure = await look(image).catch((error: unknown) => error);
        expect(failure === undefined || failure instanceof ImageError, String(failure)).toBe(true);
      }
    }
  });
});

describeWith(['qemu-img'], 'what is built by hand', () => {
  const scratch = scratchDirectory();

  it.each<[name: string, files: { [name: string]: Uint8Array | string }]>([
    ['hosted', { 'main.vmdk': hosted().bytes }],
    ['stream', { 'main.vmdk': stream().bytes }],
    ['a short last grain', { 'main.vmdk': stream(false).bytes }],
    ['COWD', { 'main.vmdk': descriptor('vmfsSparse', ['RW 2100 VMFSSPARSE "delta"']), delta: cowd().bytes }],
    ['seSparse', { 'main.vmdk': descriptor('seSparse', ['RW 64 SESPARSE "delta"']), delta: seSparse().bytes }],
  ])('is the same disk to qemu-img: %s', async (_, files) => {
    for (const [name, content] of Object.entries(files)) writeFileSync(scratch(name), content);
    writeFileSync(scratch('ours.raw'), await contentOf(await openFiles(files)));
    expect(qemuImg('compare', '-f', 'raw', '-F', 'vmdk', scratch('ours.raw'), scratch('main.vmdk'))).toContain(
      'identical',
    );
  });
});
