/** Bundles with DiskDescriptor.xml: no other program here reads them, so qemu-img judges the images that they consist of. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';
import { makeRaw } from '../qcow2/writing.js';
import { type DescriptorParts, descriptorText, NOTHING, TOP } from './bundle-builder.js';

const MIB = 1024 * 1024;
const SECTORS = MIB / 512;
const ROOT = '{11111111-2222-3333-4444-555555555555}';
const MIDDLE = '{aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee}';
const BRANCH = '{cccccccc-0000-0000-0000-00000000cccc}';

describeWith(['qemu-img', 'qemu-io'], 'Parallels bundles', () => {
  const scratch = scratchDirectory();
  const { ours, theirs, succeeds } = bothPrograms(scratch);

  const writeDescriptor = (bundle: string, parts: DescriptorParts) =>
    writeFileSync(scratch(`${bundle}/DiskDescriptor.xml`), descriptorText(parts));

  const hds = (name: string, size: string, ...writes: string[]) => {
    qemuImg('create', '-q', '-f', 'parallels', '-o', 'cluster_size=64k', scratch(name), size);
    if (writes.length > 0) qemuIo(scratch(name), 'parallels', ...writes);
  };

  const image = (guid: string, file: string, type = 'Compressed') => ({ guid, type, file });

  /** What qemu-img makes of images over images, the uppermost first; `formats` are theirs. */
  const judge = (target: string, ...files: [name: string, format: string][]) => {
    const node = files.reduceRight<object | undefined>(
      (backing, [filename, driver]) => ({
        driver,
        file: { driver: 'file', filename: scratch(filename) },
        ...(backing === undefined ? {} : { backing }),
      }),
      undefined,
    );
    qemuImg('convert', '-O', 'raw', `json:${JSON.stringify(node)}`, scratch(target));
  };

  const expectDisk = async (bundle: string, raw: string) => {
    await succeeds('convert', '-O', 'raw', bundle, 'read.raw');
    expect(readFileSync(scratch('read.raw')).equals(readFileSync(scratch(raw)))).toBe(true);
    await succeeds('convert', '-O', 'qcow2', bundle, 'read.qcow2');
    expect(theirs('compare', raw, 'read.qcow2').status).toBe(0);
  };

  beforeAll(() => {
    for (const bundle of ['one', 'split', 'tree', 'old', 'bad']) mkdirSync(scratch(`${bundle}.hdd`));
    hds('one.hdd/one.hds', '8M', 'write -P 1 100k 3M', 'write -P 2 7M 1M');
    hds('tree.hdd/root.hds', '7M', 'write -P 1 0 7M');
    hds('tree.hdd/middle.hds', '8M', 'write -P 2 1M 1M', 'write -P 2 5M 64k');
    hds('tree.hdd/branch.hds', '8M', 'write -P 9 0 8M');
    hds('tree.hdd/top.hds', '8M', 'write -P 3 1536k 1M', 'write -z 6M 64k');
    makeRaw(scratch('split.hdd/a.hds'), 3 * MIB, [{ offset: MIB, length: 700_000 }]);
    hds('split.hdd/b.hds', '5M', 'write -P 5 1M 2M');
    hds('split.hdd/b.top.hds', '5M', 'write -P 6 2M 64k');
    hds('split.hdd/a.top.hds', '3M', 'write -P 7 64k 64k');
    makeRaw(scratch('split.hdd/c.hds'), 2 * MIB, [{ offset: 0, length: 2 * MIB }]);
    hds('split.hdd/c.top.hds', '2M');
    writeDescriptor('one.hdd', {
      size: 8 * SECTORS,
      storages: [{ start: 0, end: 8 * SECTORS, images: [image(TOP, 'one.hds')] }],
      shots: [{ guid: TOP, parent: NOTHING }],
    });
    writeDescriptor('tree.hdd', tree());
    // in another order than that of the disk
    writeDescriptor('split.hdd', {
      size: 10 * SECTORS,
      storages: [
        { start: 3 * SECTORS, end: 8 * SECTORS, images: [image(TOP, 'b.top.hds'), image(ROOT, 'b.hds')] },
        { start: 8 * SECTORS, end: 10 * SECTORS, images: [image(ROOT, 'c.hds', 'Plain'), image(TOP, 'c.top.hds')] },
        { start: 0, end: 3 * SECTORS, images: [image(ROOT, 'a.hds', 'Plain'), image(TOP, 'a.top.hds')] },
      ],
      shots: [
        { guid: TOP, parent: ROOT },
        { guid: ROOT, parent: NOTHING },
      ],
    });
  });

  /** A root and two snapshots over it, the top over one of them. */
  function tree(): DescriptorParts {
    return {
      size: 8 * SECTORS,
      storages: [
        {
          start: 0,
          end: 8 * SECTORS,
          images: [
            image(ROOT, 'root.hds'),
            image(MIDDLE.toUpperCase(), 'middle.hds'),
            image(BRANCH, 'branch.hds'),
            image(TOP, 'top.hds'),
          ],
        },
      ],
      shots: [
        { guid: ROOT, parent: NOTHING },
        { guid: MIDDLE, parent: ROOT },
        { guid: BRANCH, parent: ROOT },
        { guid: TOP, parent: MIDDLE },
      ],
    };
  }

  it.each(['one.hdd', 'one.hdd/', './one.hdd/DiskDescriptor.xml', 'file:one.hdd', 'json:{"file.filename":"one.hdd"}'])(
    'one image, named %s',
    async (name) => {
      judge('one.raw', ['one.hdd/one.hds', 'parallels']);
      await expectDisk(name, 'one.raw');
    },
  );

  it('the top of a tree of snapshots, its root shorter', async () => {
    judge(
      'tree.raw',
      ...['top', 'middle', 'root'].map((name) => [`tree.hdd/${name}.hds`, 'parallels'] as [string, string]),
    );
    await expectDisk('tree.hdd', 'tree.raw');
    await succeeds('compare', '-f', 'parallels', '-F', 'raw', 'tree.hdd', 'tree.raw');
  });

  it('another top, by TopGUID', async () => {
    mkdirSync(scratch('branch.hdd'));
    for (const name of ['root', 'branch'])
      copyFileSync(scratch(`tree.hdd/${name}.hds`), scratch(`branch.hdd/${name}.hds`));
    writeDescriptor('branch.hdd', { ...tree(), top: BRANCH });
    judge('branch.raw', ['tree.hdd/branch.hds', 'parallels'], ['tree.hdd/root.hds', 'parallels']);
    await expectDisk('branch.hdd', 'branch.raw');
  });

  it('a split disk with a snapshot, plain and sparse', async () => {
    for (const [part, format] of [
      ['a', 'raw'],
      ['b', 'parallels'],
      ['c', 'raw'],
    ])
      judge(`${part}.raw`, [`split.hdd/${part}.top.hds`, 'parallels'], [`split.hdd/${part}.hds`, format!]);
    writeFileSync(
      scratch('split.raw'),
      Buffer.concat(['a', 'b', 'c'].map((part) => readFileSync(scratch(`${part}.raw`)))),
    );
    await expectDisk('split.hdd', 'split.raw');
  });

  it('info tells of all files, and of no backing file', async () => {
    const info = JSON.parse(await succeeds('info', '--output=json', 'split.hdd'));
    expect(info).toMatchObject({
      filename: 'split.hdd/DiskDescriptor.xml',
      format: 'parallels',
      'virtual-size': 10 * MIB,
    });
    expect(info['format-specific'].data.images).toHaveLength(6);
    expect(info.children).toHaveLength(7);
    expect(info).not.toHaveProperty('backing-filename');
    expect(await succeeds('info', 'split.hdd')).toContain('file format: parallels');
  });

  it('map says which file a byte is in', async () => {
    const entries = JSON.parse(await succeeds('map', '--output=json', 'split.hdd')) as { [key: string]: unknown }[];
    expect(entries.every(({ depth }) => depth === 0)).toBe(true);
    const text = await succeeds('map', 'split.hdd');
    const bytes = readFileSync(scratch('split.raw'));
    const lines = text.trim().split('\n').slice(1);
    expect(lines.length).toBeGreaterThan(4);
    for (const line of lines) {
      const [start, length, host, file] = line.trim().split(/\s+/);
      const [at, count, from] = [start, length, host].map(Number) as [number, number, number];
      const stored = readFileSync(scratch(file!)).subarray(from, from + count);
      expect(stored.equals(bytes.subarray(at, at + count))).toBe(true);
    }
  });

  it('with -B, what lower snapshots hold is the image, not its backing file', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', scratch('base.qcow2'), '8M');
    await succeeds('convert', '-O', 'qcow2', '-B', 'base.qcow2', '-F', 'qcow2', 'tree.hdd', 'over.qcow2');
    expect(theirs('compare', 'tree.raw', 'over.qcow2').status).toBe(0);
  });

  it('check looks at the images of all layers, and repairs nothing', async () => {
    expect(await ours('check', 'tree.hdd')).toMatchObject({ status: 0, stderr: '' });
    const bytes = readFileSync(scratch('tree.hdd/root.hds'));
    writeFileSync(scratch('tree.hdd/root.hds'), Buffer.concat([bytes, Buffer.alloc(64 * 1024)]));
    expect((await ours('check', 'tree.hdd')).status).toBe(3);
    expect((await ours('check', '-r', 'all', 'tree.hdd')).status).not.toBe(0);
    writeFileSync(scratch('tree.hdd/root.hds'), bytes);
  });

  it('a bundle is not written to', async () => {
    const { status, stderr } = await ours('convert', '-n', '-O', 'parallels', 'one.raw', 'one.hdd');
    expect(status).toBe(1);
    expect(stderr).toBe("qemu-img: Could not open 'one.hdd': Parallels disks of several files cannot be written to\n");
  });

  it('a directory without a descriptor is none', async () => {
    mkdirSync(scratch('empty.hdd'));
    expect(await ours('info', 'empty.hdd')).toEqual(theirs('info', 'empty.hdd'));
  });

  it.each([
    ['../one.hdd/one.hds', 'lies outside the directory of the image'],
    ['/dev/zero', 'lies outside the directory of the image'],
    ['https://example.org/x.hds', 'No such file or directory'],
    ['none.hds', 'No such file or directory'],
  ])('the image file %s: refused', async (file, message) => {
    const { storages, ...parts } = tree();
    storages[0]!.images[3]!.file = file;
    writeDescriptor('bad.hdd', { ...parts, storages });
    for (const name of ['root', 'middle'])
      copyFileSync(scratch(`tree.hdd/${name}.hds`), scratch(`bad.hdd/${name}.hds`));
    const { status, stderr } = await ours('convert', '-O', 'raw', 'bad.hdd', 'none.raw');
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    if (file.startsWith('..')) await succeeds('convert', '--allow-external', '-O', 'raw', 'bad.hdd', 'allowed.raw');
  });

  describe('descriptors that cannot be', () => {
    /** The tree's, changed. */
    const changed = (change: (parts: DescriptorParts) => void) => {
      const parts = tree();
      change(parts);
      return descriptorText(parts);
    };
    const storage = (change: (part: DescriptorParts['storages'][0]) => void) =>
      changed(({ storages }) => change(storages[0]!));
    const sound = descriptorText(tree());

    const refusals: [what: string, text: string, message: string][] = [
      ['no end', sound.slice(0, 300), 'The Parallels disk descriptor is damaged'],
      ['two roots', `${sound}<more/>`, 'The Parallels disk descriptor is damaged'],
      ['another root', sound.replaceAll('Parallels_disk_image', 'Parallels_disk_images'), 'no Parallels_disk_image'],
      ['entities', sound.replace('>root.hds', '>&xxe;'), 'The Parallels disk descriptor is damaged'],
      [
        'entities that are declared',
        sound
          .replace(
            '<Parallels',
            '<!DOCTYPE x [<!ENTITY a "root"><!ENTITY xxe SYSTEM "file:///etc/passwd">]>\n<Parallels',
          )
          .replace('>root.hds', '>&xxe;.hds'),
        'The Parallels disk descriptor is damaged',
      ],
      ['2 MiB', sound + ' '.repeat(2 * MIB), 'The Parallels disk descriptor is too large'],
      ['100000 levels', sound.replace('<StorageData>', '<x>'.repeat(100_000)), 'nested too deeply'],
      ['no storage', changed((parts) => (parts.storages = [])), 'has no storages'],
      ['no image', storage((part) => (part.images = [])), 'has no image {5fbaabe3-'],
      ['no image of the parent', storage((part) => part.images.splice(1, 1)), `has no image ${MIDDLE}`],
      ['two images of one snapshot', storage((part) => part.images.push(part.images[0]!)), `two images ${ROOT}`],
      ['no file', storage((part) => (part.images[3]!.file = '')), 'has no File in Image'],
      ['an unknown type', storage((part) => (part.images[3]!.type = 'Zipped')), "the type 'Zipped'"],
      ['a plain overlay', storage((part) => (part.images[3]!.type = 'Plain')), 'is plain, but has a parent'],
      ['a GUID of letters', storage((part) => (part.images[3]!.guid = '{x}')), "a wrong GUID: '{x}'"],
      ['no start', storage((part) => (part.start = '')), 'has no Start in Storage'],
      ['a start of -1', storage((part) => (part.start = -1)), "a wrong Start: '-1'"],
      ['an end of 1e3', storage((part) => (part.end = '1e3')), "a wrong End: '1e3'"],
      ['an end of 2^63', storage((part) => (part.end = '9223372036854775808')), 'a wrong End'],
      ['an empty storage', storage((part) => (part.end = 0)), 'is empty'],
      ['a hole at the beginning', storage((part) => (part.start = 1)), 'has no storage at sector 0'],
      ['a storage too short', storage((part) => (part.end = 8 * SECTORS - 1)), 'end at sector 16383, not at 16384'],
      ['another size', changed((parts) => (parts.size = 8)), 'end at sector 16384, not at 8'],
      ['overlapping storages', changed(({ storages }) => storages.push(storages[0]!)), 'overlap at sector 0'],
      [
        'a disk larger than its image',
        changed((parts) => {
          parts.size = null;
          parts.storages[0]!.end = 2 ** 40;
        }),
        `needs ${2 ** 49}`,
      ],
      ['no snapshots', changed((parts) => (parts.shots = [])), `has no snapshot ${TOP}`],
      ['no parent', changed(({ shots }) => shots.splice(1, 1)), `has no snapshot ${MIDDLE}`],
      ['a parent without a GUID', changed(({ shots }) => (shots[1]!.parent = '')), 'has no ParentGUID in Shot'],
      [
        'its own parent',
        changed(({ shots }) => (shots[3]!.parent = TOP)),
        `${TOP} of the Parallels disk is its own parent`,
      ],
      ['a loop of parents', changed(({ shots }) => (shots[0]!.parent = MIDDLE)), 'is its own parent'],
      ['a top of nothing', changed((parts) => (parts.top = NOTHING)), 'nothing on the disk'],
      ['padding', changed((parts) => (parts.padding = '1')), 'with padding'],
      ['encryption', changed((parts) => (parts.engine = ROOT)), 'with encryption'],
      [
        '6000 snapshots',
        changed(({ shots }) => {
          const guid = (index: number) => `{00000000-0000-0000-0000-${String(index).padStart(12, '0')}}`;
          shots[3]!.parent = guid(1);
          for (let index = 1; index < 6000; index++) shots.push({ guid: guid(index), parent: guid(index + 1) });
          shots.push({ guid: guid(6000), parent: NOTHING });
        }),
        'of more than 512 files',
      ],
    ];

    it.each(refusals)('%s', async (_, text, message) => {
      for (const name of ['root', 'middle', 'branch', 'top'])
        copyFileSync(scratch(`tree.hdd/${name}.hds`), scratch(`bad.hdd/${name}.hds`));
      writeFileSync(scratch('bad.hdd/DiskDescriptor.xml'), text);
      const { status, stderr } = await ours('convert', '-f', 'parallels', '-O', 'raw', 'bad.hdd', 'none.raw');
      expect(status).toBe(1);
      expect(stderr).toContain(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(() => readFileSync(scratch('none.raw'))).toThrow('no such file');
    });
  });
});
