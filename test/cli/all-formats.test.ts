/** Every verb that tells of images, over images of every format, made by `qemu-img` and by diskloom: the same answers. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { withoutAllocation } from '../support/both-programs.js';
import { runInline } from '../support/inline-cli.js';
import { describeWith } from '../support/judges.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

interface Kind {
  format: string;
  /** `-o` of creating. */
  options?: string;
  /** `--image-opts` without the file. */
  driver?: string;
  /** QEMU does not know where holes are; diskloom does. */
  hidesHoles?: boolean;
  /** Images of it hold a secret. */
  secret?: boolean;
}

const KINDS: { [name: string]: Kind } = {
  raw: { format: 'raw' },
  'raw full': { format: 'raw', options: 'preallocation=full' },
  qcow2: { format: 'qcow2' },
  'qcow2 v2': { format: 'qcow2', options: 'compat=0.10' },
  'qcow2 512': { format: 'qcow2', options: 'cluster_size=512,refcount_bits=1' },
  'qcow2 extended': { format: 'qcow2', options: 'extended_l2=on,cluster_size=16k,lazy_refcounts=on' },
  'qcow2 zstd': { format: 'qcow2', options: 'compression_type=zstd,preallocation=metadata' },
  'qcow2 data': { format: 'qcow2', options: 'data_file=data,data_file_raw=on' },
  'qcow2 luks': {
    format: 'qcow2',
    options: 'encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10',
    driver: 'qcow2,encrypt.key-secret=key',
    secret: true,
  },
  'qcow2 aes': {
    format: 'qcow2',
    options: 'encrypt.format=aes,encrypt.key-secret=key',
    driver: 'qcow2,encrypt.key-secret=key',
    secret: true,
  },
  qcow: { format: 'qcow' },
  qed: { format: 'qed' },
  'qed 4k': { format: 'qed', options: 'cluster_size=4k,table_size=2' },
  vdi: { format: 'vdi' },
  'vdi static': { format: 'vdi', options: 'static=on' },
  vhdx: { format: 'vhdx', hidesHoles: true },
  'vhdx fixed': { format: 'vhdx', options: 'subformat=fixed', hidesHoles: true },
  vpc: { format: 'vpc', driver: 'vpc' },
  'vpc fixed': { format: 'vpc', options: 'subformat=fixed,force_size=on', driver: 'vpc' },
  parallels: { format: 'parallels' },
  'parallels 64k': { format: 'parallels', options: 'cluster_size=64k' },
  luks: { format: 'luks', options: 'key-secret=key,iter-time=10', driver: 'luks,key-secret=key', secret: true },
  ...Object.fromEntries(
    ['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', 'streamOptimized'].map(
      (subformat) => [`vmdk ${subformat}`, { format: 'vmdk', options: `subformat=${subformat}` }],
    ),
  ),
  'vmdk zeroed': { format: 'vmdk', options: 'zeroed_grain=on,adapter_type=lsilogic' },
};

/** What is new in every image, and what depends on the file system. */
function masked(text: string): string {
  return withoutAllocation(text)
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID')
    .replace(/\b(p?cid: |"(?:parent-)?cid": )\d+/gi, '$1*')
    .replace(/(iters: |"iters": )\d+/g, '$1*')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'TIME')
    .replace(/"(date-sec|date-nsec|vm-clock-nsec)": \d+/g, '"$1": *');
}

const SIZE = 3 * 1024 * 1024;

describeWith(['qemu-img'], 'images of every format', () => {
  const scratch = scratchDirectory();
  const theirs = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync('qemu-img', args, { cwd: scratch('made'), encoding: 'utf8' });
    return { status, stdout: masked(stdout), stderr: masked(stderr) };
  };
  const ours = async (...args: string[]) => {
    const { status, stdout, stderr } = await runInline(scratch('made'), ...args);
    return { status, stdout: masked(stdout), stderr: masked(stderr) };
  };
  const clean = () => {
    rmSync(scratch('made'), { recursive: true, force: true });
    mkdirSync(scratch('made'));
  };
  const expectSame = async (...args: string[]) =>
    expect.soft([args, await ours(...args)]).toEqual([args, theirs(...args)]);

  beforeAll(() => {
    const disk = new Uint8Array(SIZE);
    disk.set(new Random(5).bytes(200_000), 0);
    disk.fill(7, 1024 * 1024, 1024 * 1024 + 70_000);
    disk.set(new Random(6).bytes(100_000), SIZE - 100_000);
    writeFileSync(scratch('disk'), disk);
    writeFileSync(scratch('other'), disk.fill(9, 2_000_000, 2_000_100));
    truncateSync(scratch('other'), SIZE + 65536);
  });

  describe.each(Object.entries(KINDS))('%s', (_name, { format, options, driver, hidesHoles, secret }) => {
    const object = secret ? ['--object', 'secret,id=key,data=passphrase'] : [];
    const create = ['-o', options ?? ''].slice(0, options === undefined ? 0 : 2);
    const open = driver === undefined ? object : [...object, '--image-opts'];
    const image = driver === undefined ? 'image' : `driver=${driver},file.filename=image`;
    const other = (name: string) => (driver === undefined ? `../${name}` : `driver=raw,file.filename=../${name}`);

    it.each(['qemu-img', 'diskloom'])('by %s', async (writer) => {
      clean();
      const program = writer === 'diskloom' ? ours : theirs;
      const made = await program('convert', ...object, '-O', format, ...create, '../disk', 'image');
      expect(made).toEqual({ status: 0, stdout: '', stderr: '' });
      for (const output of [[], ['--output=json']]) {
        await expectSame('info', ...open, ...output, image);
        await expectSame('check', ...open, ...output, image);
        if (hidesHoles) continue;
        await expectSame('map', ...open, ...output, image);
        await expectSame('map', ...open, ...output, '-s', '700k', '-l', '1M', image);
        for (const target of ['raw', 'qcow2', 'luks'])
          await expectSame('measure', ...open, ...output, '-O', target, image);
      }
      await expectSame('info', ...object, ...(format === 'vpc' ? ['-f', 'vpc'] : []), 'image');
      await expectSame('snapshot', ...open, '-l', image);
      for (const second of ['disk', 'other']) await expectSame('compare', ...open, image, other(second));
      await expectSame('compare', '-s', ...open, image, other('other'));
      await expectSame('compare', '-s', ...open, image, image);
    });

    // QEMU takes seconds to measure the machine each time it makes LUKS keys.
    it.skipIf(options?.startsWith('encrypt.format=luks'))('the line that create prints', async () => {
      const args = ['create', ...object, '-f', format, ...create, 'image', '5M'];
      clean();
      const judge = theirs(...args);
      clean();
      expect(await ours(...args)).toEqual(judge);
      expect(judge.stdout).toContain('Formatting');
    });
  });
});
