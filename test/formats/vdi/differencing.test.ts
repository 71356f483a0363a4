/** Differencing VDI images, which qemu-img refuses: what VirtualBox makes of a snapshot, built field by field. */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { bothPrograms } from '../../support/both-programs.js';
import { scratchDirectory } from '../../support/scratch.js';
import { type Block, buildVdi, uuidOf, type VdiParts } from './build.js';

const MIB = 1024 * 1024;

describe('differencing VDI images', () => {
  const scratch = scratchDirectory();
  const { ours, theirs, succeeds } = bothPrograms(scratch);

  const base: VdiParts = { type: 1, uuid: 'a', content: '1', blocks: [1, 'parent', 3, 4, 'zero', 6] };
  const middle: VdiParts = {
    ...{ type: 4, uuid: 'b', content: '2', parent: 'a', parentContent: '1' },
    blocks: ['parent', 12, 'parent', 'zero', 15, 'parent'],
  };
  /** Longer than what it is based on. */
  const top: VdiParts = {
    ...{ type: 4, uuid: 'c', content: '3', parent: 'b', parentContent: '2', size: 8 * MIB - 1024 },
    blocks: ['parent', 'parent', 23, 'parent', 'zero', 'parent', 'parent', 28],
  };
  const whole: Block[] = [1, 12, 23, 'zero', 'zero', 6, 'zero', 28];

  const write = (name: string, parts: VdiParts) => writeFileSync(scratch(`vm/${name}`), buildVdi(parts));

  const expectDisk = async (image: string, blocks: Block[], size = blocks.length * MIB) => {
    await succeeds('convert', '-O', 'raw', image, 'read.raw');
    const wanted = Buffer.concat(blocks.map((block) => Buffer.alloc(MIB, typeof block === 'number' ? block : 0)));
    expect(readFileSync(scratch('read.raw')).equals(wanted.subarray(0, size))).toBe(true);
  };

  const expectRefusal = async (line: string[], message: string) => {
    const { status, stderr } = await ours(...line);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(status).toBe(1);
  };

  beforeEach(() => {
    rmSync(scratch('vm'), { recursive: true, force: true });
    mkdirSync(scratch('vm'));
    write('z-base.VDI', base);
    write('middle:1.vdi', middle);
    write('top.vdi', top);
    // what else may lie there
    writeFileSync(scratch('vm/empty.vdi'), '');
    writeFileSync(scratch('vm/text.vdi'), 'no image at all');
    mkdirSync(scratch('vm/folder.vdi'));
    symlinkSync('nowhere', scratch('vm/link.vdi'));
    write('other.vdi', { ...base, uuid: 'd' });
  });

  it('are read through the chain', async () => {
    await expectDisk('vm/top.vdi', whole, 8 * MIB - 1024);
    await succeeds('convert', '-O', 'vdi', 'vm/top.vdi', 'flat.vdi');
    await succeeds('compare', 'vm/top.vdi', 'flat.vdi');
    expect(theirs('compare', '-f', 'raw', '-F', 'vdi', 'read.raw', 'flat.vdi').status).toBe(0);
    expect(theirs('info', 'vm/top.vdi').stderr).toContain('non-NULL link UUID');
  });

  it('info tells the backing file, and map the layer that a byte is from', async () => {
    const info = JSON.parse(await succeeds('info', '--output=json', '--backing-chain', 'vm/top.vdi'));
    expect(info.map((layer: { [key: string]: unknown }) => layer['backing-filename'])).toEqual([
      './middle:1.vdi',
      'z-base.VDI',
      undefined,
    ]);
    expect(info[0]['format-specific']).toEqual({
      type: 'vdi',
      data: { uuid: uuidOf('c'), 'parent-uuid': uuidOf('b') },
    });
    expect(info[2]).not.toHaveProperty('format-specific');
    const map = JSON.parse(await succeeds('map', '--output=json', 'vm/top.vdi')) as { [key: string]: unknown }[];
    expect(map.map(({ start, depth, data, offset }) => [Number(start) / MIB, depth, data, offset])).toEqual([
      [0, 2, true, MIB],
      [1, 1, true, MIB],
      [2, 0, true, MIB],
      [3, 1, false, undefined],
      [4, 0, false, undefined],
      [5, 2, true, 4 * MIB],
      [6, 0, false, undefined],
      [7, 0, true, 2 * MIB],
    ]);
    expect(await ours('check', 'vm/top.vdi')).toMatchObject({ status: 0, stderr: '' });
  });

  it('of two images with the UUID of the parent the one that has not changed since is meant', async () => {
    write('a-copy.vdi', { ...base, content: '9', blocks: [91, 92, 93, 94, 95, 96] });
    await expectDisk('vm/top.vdi', whole, 8 * MIB - 1024);
  });

  it('a parent that has changed since is read with a warning; one that recorded nothing, without', async () => {
    rmSync(scratch('vm/top.vdi'));
    write('z-base.VDI', { ...base, content: '9' });
    const changed = await ours('convert', '-O', 'raw', 'vm/middle:1.vdi', 'read.raw');
    expect(changed).toMatchObject({ status: 0 });
    expect(changed.stderr).toContain("'z-base.VDI' has been changed since");
    write('unrecorded.vdi', { ...middle, uuid: 'e', parentContent: '0' });
    await expectDisk('vm/unrecorded.vdi', [1, 12, 3, 'zero', 15, 6]);
  });

  it('a parent that is not there is named by its UUID; info works all the same', async () => {
    rmSync(scratch('vm/z-base.VDI'));
    await expectRefusal(['convert', '-O', 'raw', 'vm/middle:1.vdi', 'none.raw'], uuidOf('a'));
    await expectRefusal(['convert', '-O', 'raw', 'vm/top.vdi', 'none.raw'], uuidOf('a'));
    expect(readdirSync(scratch(''))).not.toContain('none.raw');
    const info = JSON.parse(await succeeds('info', '--output=json', 'vm/middle:1.vdi'));
    expect(info['format-specific'].data['parent-uuid']).toBe(uuidOf('a'));
    expect(await ours('check', 'vm/middle:1.vdi')).toMatchObject({ status: 0, stderr: '' });
  });

  it('a parent in the directory above, as VirtualBox has it, needs --allow-external', async () => {
    mkdirSync(scratch('vm/Snapshots'));
    writeFileSync(scratch('vm/Snapshots/top.vdi'), buildVdi(top));
    await expectRefusal(['convert', '-O', 'raw', 'vm/Snapshots/top.vdi', 'none.raw'], uuidOf('b'));
    await succeeds('convert', '--allow-external', '-O', 'raw', 'vm/Snapshots/top.vdi', 'above.raw');
    await succeeds('compare', '-f', 'raw', 'above.raw', 'vm/top.vdi');
  });

  it('a parent elsewhere that a link leads to is not opened', async () => {
    rmSync(scratch('vm/z-base.VDI'));
    writeFileSync(scratch('elsewhere.vdi'), buildVdi(base));
    symlinkSync('../elsewhere.vdi', scratch('vm/linked.vdi'));
    await expectRefusal(['convert', '-O', 'raw', 'vm/top.vdi', 'none.raw'], uuidOf('a'));
    await succeeds('convert', '--allow-external', '-O', 'raw', 'vm/top.vdi', 'linked.raw');
  });

  it.each([
    ['itself', { parent: 'b', parentContent: '2' }],
    ['its descendant', { parent: 'c', parentContent: '3' }],
  ])('an image that is based on %s: refused', async (_, change) => {
    write('middle:1.vdi', { ...middle, ...change });
    await expectRefusal(['convert', '-O', 'raw', 'vm/top.vdi', 'none.raw'], 'infinite loop');
    const { status, stderr } = await ours('info', '--backing-chain', 'vm/top.vdi');
    expect([status, stderr.includes('infinite loop')]).toEqual([1, true]);
  });

  it('one that names no parent, and one of another type that names one: refused', async () => {
    write('none.vdi', { ...top, parent: '0' });
    await expectRefusal(['info', 'vm/none.vdi'], 'The differencing VDI image names no parent');
    write('dynamic.vdi', { ...top, type: 1 });
    await expectRefusal(['info', 'vm/dynamic.vdi'], 'unsupported VDI image (non-NULL link UUID)');
  });

  it('they are not written to', async () => {
    const message = 'Differencing VDI images cannot be written to';
    await expectRefusal(['convert', '-n', '-O', 'vdi', 'vm/z-base.VDI', 'vm/top.vdi'], message);
    await expectRefusal(['resize', 'vm/top.vdi', '20M'], message);
  });
});
