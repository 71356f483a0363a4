/** Chains of differencing VHDXs through the program, which qemu-img refuses: it writes the layers and judges the result. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { guidBytes, guidText } from '../../../src/image/guid.js';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Where qemu-img puts them with a log of 1 MiB and a small table. */
const AT = { bat: 2 * MIB, metadata: 3 * MIB, items: 3 * MIB + 64 * KIB } as const;
/** The entry of the table for the first sector bitmap, with blocks of 1 MiB. */
const BITMAP_ENTRY = AT.bat + 4096 * 8;

describeWith(['qemu-img', 'qemu-io'], 'differencing VHDXs', () => {
  const scratch = scratchDirectory();
  const { ours, theirs, succeeds } = bothPrograms(scratch);

  const create = (name: string, writes: string[]) => {
    qemuImg('create', '-q', '-f', 'vhdx', '-o', 'block_size=1M', scratch(name), '8M');
    qemuIo(scratch(name), 'vhdx', ...writes);
  };

  /** The GUID of the content, by the header that counts. */
  const contentOf = (name: string) => {
    const image = readFileSync(scratch(name));
    const [first, second] = [64 * KIB, 128 * KIB].map((at) => image.readBigUInt64LE(at + 8)) as [bigint, bigint];
    const at = first > second ? 64 * KIB : 128 * KIB;
    return guidText(image.subarray(at + 32, at + 48));
  };

  /** Bases an image on another one: of its first block only the sectors 0 to 7 remain its own; missing blocks show through. */
  const rebase = (name: string, parent: string, linkage: string) => {
    const image = Buffer.concat([readFileSync(scratch(name)), Buffer.alloc(MIB)]);
    const bitmapAt = image.length - MIB;
    image.writeUInt32LE(2, AT.items + 4);
    const texts = Object.entries({
      relative_path: `.\\${parent}`,
      parent_linkage: `{${linkage.toLowerCase()}}`,
    }).flat();
    const item = AT.metadata + 65 * KIB;
    image.set(guidBytes('B04AEFB7-D19E-4A81-B789-25B8E9445913'), item);
    image.writeUInt16LE(texts.length / 2, item + 18);
    let end = 100;
    for (const [index, text] of texts.entries()) {
      const [entry, isValue] = [item + 20 + 12 * (index >> 1), index % 2];
      image.writeUInt32LE(end, entry + 4 * isValue);
      image.writeUInt16LE(2 * text.length, entry + 8 + 2 * isValue);
      end += image.write(text, item + end, 'utf16le');
    }
    image.writeUInt16LE(6, AT.metadata + 10);
    const entry = AT.metadata + 6 * 32;
    image.set(guidBytes('A8D35F2D-B30B-454D-ABF7-D3D84834AB0C'), entry);
    image.writeUInt32LE(65 * KIB, entry + 16);
    image.writeUInt32LE(end, entry + 20);
    image.writeUInt32LE(4, entry + 24);
    for (let block = 0; block < 8; block++) {
      const state = image[AT.bat + 8 * block]! & 7;
      if (state !== 6) image.writeBigUInt64LE(0n, AT.bat + 8 * block);
    }
    image[AT.bat] = (image[AT.bat]! & ~7) | 7;
    image.writeBigUInt64LE(BigInt(bitmapAt) | 6n, BITMAP_ENTRY);
    image[bitmapAt] = 0xff;
    writeFileSync(scratch(name), image);
  };

  const expectRefusal = async (line: string[], message: string) => {
    const { status, stderr } = await ours(...line);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect([status, existsSync(scratch('none.raw'))]).toEqual([1, false]);
  };

  const wanted = () =>
    Buffer.alloc(8 * MIB, 1)
      .fill(2, 2 * MIB, 3 * MIB)
      .fill(3, 0, 4096)
      .fill(3, 5 * MIB, 6 * MIB);

  beforeAll(() => {
    create('base.vhdx', ['write -P 1 0 8M']);
    create('middle.vhdx', ['write -P 2 0 1M', 'write -P 2 2M 1M']);
    create('top.vhdx', ['write -P 3 0 1M', 'write -P 3 5M 1M']);
    rebase('middle.vhdx', 'base.vhdx', contentOf('base.vhdx'));
    rebase('top.vhdx', 'middle.vhdx', contentOf('middle.vhdx'));
  });

  it('are converted, compared, mapped and checked', async () => {
    await succeeds('convert', '-O', 'raw', 'top.vhdx', 'top.raw');
    expect(readFileSync(scratch('top.raw')).equals(wanted())).toBe(true);
    await succeeds('convert', '-O', 'vhdx', 'top.vhdx', 'flat.vhdx');
    expect(theirs('compare', '-f', 'raw', 'top.raw', 'flat.vhdx').status).toBe(0);
    expect(theirs('check', 'flat.vhdx').status).toBe(0);
    expect(theirs('info', 'top.vhdx').status).toBe(1);
    const chain = JSON.parse(await succeeds('info', '--backing-chain', '--output=json', 'top.vhdx'));
    expect(chain.map((layer: { [key: string]: string }) => layer['backing-filename'])).toEqual([
      './middle.vhdx',
      './base.vhdx',
      undefined,
    ]);
    const map = JSON.parse(await succeeds('map', '--output=json', 'top.vhdx')) as { [key: string]: number }[];
    expect(map.map(({ start, depth }) => [start, depth])).toEqual([
      [0, 0],
      [4096, 2],
      [2 * MIB, 1],
      [3 * MIB, 2],
      [5 * MIB, 0],
      [6 * MIB, 2],
    ]);
    for (const name of ['top.vhdx', 'middle.vhdx', 'base.vhdx'])
      expect(await ours('check', name)).toMatchObject({ status: 0, stderr: '' });
  });

  it('a block that lies in another one is found by check', async () => {
    const image = readFileSync(scratch('top.vhdx'));
    image.copy(image, AT.bat + 8 * 6, AT.bat + 8 * 5, AT.bat + 8 * 6);
    mkdirSync(scratch('damaged'));
    writeFileSync(scratch('damaged/top.vhdx'), image);
    copyFileSync(scratch('middle.vhdx'), scratch('damaged/middle.vhdx'));
    copyFileSync(scratch('base.vhdx'), scratch('damaged/base.vhdx'));
    expect((await ours('check', 'damaged/top.vhdx')).status).toBe(2);
  });

  it('with a parent that was changed since: refused', async () => {
    mkdirSync(scratch('changed'));
    for (const name of ['top', 'middle', 'base'])
      copyFileSync(scratch(`${name}.vhdx`), scratch(`changed/${name}.vhdx`));
    qemuIo(scratch('changed/base.vhdx'), 'vhdx', 'write -P 9 4M 1M');
    await expectRefusal(
      ['convert', '-O', 'raw', 'changed/top.vhdx', 'none.raw'],
      'has been changed, or is not the parent',
    );
  });

  it('without a parent, or based on themselves: refused', async () => {
    mkdirSync(scratch('lonely'));
    copyFileSync(scratch('top.vhdx'), scratch('lonely/top.vhdx'));
    await expectRefusal(['convert', '-O', 'raw', 'lonely/top.vhdx', 'none.raw'], 'No such file or directory');
    copyFileSync(scratch('top.vhdx'), scratch('lonely/middle.vhdx'));
    await expectRefusal(['convert', '-O', 'raw', 'lonely/top.vhdx', 'none.raw'], 'infinite loop');
    create('lonely/away.vhdx', ['write -P 3 0 1M']);
    rebase('lonely/away.vhdx', '..\\base.vhdx', contentOf('base.vhdx'));
    await expectRefusal(['convert', '-O', 'raw', 'lonely/away.vhdx', 'none.raw'], 'use --allow-external');
    await succeeds('convert', '--allow-external', '-O', 'raw', 'lonely/away.vhdx', 'away.raw');
  });
});
