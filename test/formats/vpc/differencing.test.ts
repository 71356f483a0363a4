/** Chains of differencing VHDs through the program; qemu-img shows zeros where a parent should be, so it judges the layers. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';

const MIB = 1024 * 1024;
/** Where qemu-img puts them in an image of 8 MiB with blocks of 2 MiB. */
const AT = { uuid: 68, header: 512, table: 1536, blocks: 2048 } as const;

/** Puts checksum `at` of `length` bytes at `start` right. */
function seal(image: Buffer, start: number, length: number, at: number): void {
  image.writeUInt32BE(0, start + at);
  const sum = image.subarray(start, start + length).reduce((total, byte) => total + byte, 0);
  image.writeUInt32BE(~sum >>> 0, start + at);
}

describeWith(['qemu-img', 'qemu-io'], 'differencing VHDs', () => {
  const scratch = scratchDirectory();
  const { ours, theirs, succeeds } = bothPrograms(scratch);

  const create = (name: string, options: string, writes: string[]) => {
    qemuImg('create', '-q', '-f', 'vpc', '-o', `force_size=on,${options}`, scratch(name), '8M');
    qemuIo(scratch(name), 'vpc', ...writes);
  };

  /** Bases an image on another one: of its first block only the sectors 0 to 7 and 10 remain its own. */
  const rebase = (name: string, parent: string, uuid: Uint8Array) => {
    const image = Buffer.concat([readFileSync(scratch(name)), Buffer.alloc(512)]);
    const path = `.\\${parent}`;
    image.writeUInt32BE(4, 60);
    seal(image, 0, 512, 64);
    image.set(uuid, AT.header + 40);
    const locator = AT.header + 576;
    image.write('W2ru', locator);
    image.writeUInt32BE(2 * path.length, locator + 8);
    image.writeBigUInt64BE(BigInt(image.length - 512), locator + 16);
    image.write(path, image.length - 512, 'utf16le');
    seal(image, AT.header, 1024, 36);
    image.fill(0, AT.blocks, AT.blocks + 512);
    image[AT.blocks] = 0xff;
    image[AT.blocks + 1] = 0b0010_0000;
    writeFileSync(scratch(name), image);
  };

  const uuidOf = (name: string) => {
    const image = readFileSync(scratch(name));
    const footer = image.toString('latin1', 0, 8) === 'conectix' ? 0 : image.length - 512;
    return image.subarray(footer + AT.uuid, footer + AT.uuid + 16);
  };

  const expectRefusal = async (line: string[], message: string) => {
    const { status, stderr } = await ours(...line);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect([status, existsSync(scratch('none.raw'))]).toEqual([1, false]);
  };

  const wanted = () =>
    Buffer.alloc(8 * MIB, 1)
      .fill(0, 6 * MIB, 7 * MIB)
      .fill(2, 0, 4096)
      .fill(2, 5120, 5632)
      .fill(2, 4 * MIB, 6 * MIB)
      .fill(3, 0, 4096)
      .fill(3, 5120, 5632);

  beforeAll(() => {
    create('base.vhd', 'subformat=fixed', ['write -P 1 0 8M', 'write -P 0 6M 1M']);
    create('middle.vhd', 'subformat=dynamic', ['write -P 2 0 2M', 'write -P 2 4M 2M']);
    create('top.vhd', 'subformat=dynamic', ['write -P 3 0 2M']);
    rebase('middle.vhd', 'base.vhd', uuidOf('base.vhd'));
    rebase('top.vhd', 'middle.vhd', uuidOf('middle.vhd'));
  });

  it('are converted, compared and mapped through their parents', async () => {
    await succeeds('convert', '-O', 'raw', 'top.vhd', 'top.raw');
    expect(readFileSync(scratch('top.raw')).equals(wanted())).toBe(true);
    await succeeds('convert', '-O', 'vpc', '-o', 'force_size=on', 'top.vhd', 'flat.vhd');
    expect(theirs('compare', '-f', 'raw', '-F', 'vpc', 'top.raw', 'flat.vhd').status).toBe(0);
    await succeeds('compare', 'top.vhd', 'flat.vhd');
    const chain = JSON.parse(await succeeds('info', '--backing-chain', '--output=json', 'top.vhd'));
    expect(chain.map((layer: { [key: string]: string }) => layer['backing-filename'])).toEqual([
      './middle.vhd',
      './base.vhd',
      undefined,
    ]);
    const map = JSON.parse(await succeeds('map', '--output=json', 'top.vhd')) as { [key: string]: unknown }[];
    expect(new Set(map.map(({ depth }) => depth))).toEqual(new Set([0, 1, 2]));
    const data = map.filter((entry) => entry.data === true);
    for (const { start, length, depth, offset } of data as { [key: string]: number }[]) {
      const file = readFileSync(scratch(['top.vhd', 'middle.vhd', 'base.vhd'][depth!]!));
      expect(file.subarray(offset, offset! + length!).equals(wanted().subarray(start, start! + length!))).toBe(true);
    }
  });

  it('with another parent than the one that they were made over: refused', async () => {
    mkdirSync(scratch('changed'));
    for (const name of ['top.vhd', 'middle.vhd']) copyFileSync(scratch(name), scratch(`changed/${name}`));
    create('changed/base.vhd', 'subformat=fixed', ['write -P 9 0 8M']);
    await expectRefusal(
      ['convert', '-O', 'raw', 'changed/top.vhd', 'none.raw'],
      'has been changed, or is not the parent',
    );
  });

  it('without a parent, or based on themselves: refused', async () => {
    mkdirSync(scratch('lonely'));
    copyFileSync(scratch('top.vhd'), scratch('lonely/top.vhd'));
    await expectRefusal(['convert', '-O', 'raw', 'lonely/top.vhd', 'none.raw'], 'No such file or directory');
    copyFileSync(scratch('top.vhd'), scratch('lonely/middle.vhd'));
    await expectRefusal(['convert', '-O', 'raw', 'lonely/top.vhd', 'none.raw'], 'infinite loop');
    create('lonely/away.vhd', 'subformat=dynamic', ['write -P 3 0 2M']);
    rebase('lonely/away.vhd', '..\\base.vhd', uuidOf('base.vhd'));
    await expectRefusal(['convert', '-O', 'raw', 'lonely/away.vhd', 'none.raw'], 'use --allow-external');
    await succeeds('convert', '--allow-external', '-O', 'raw', 'lonely/away.vhd', 'away.raw');
  });
});
