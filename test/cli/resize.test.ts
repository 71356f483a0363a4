/** `resize`, beside `qemu-img` doing the same to a copy. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bothPrograms } from '../support/both-programs.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

const MIB = 1024 * 1024;

describeWith(['qemu-img', 'qemu-io'], 'resize', () => {
  const file = scratchDirectory();
  const { ours, theirs } = bothPrograms(file);

  /** Does the same to two copies of an image and compares what is said and what comes of it. */
  async function compare(image: string, format: string, args: readonly string[]): Promise<void> {
    copyFileSync(file(image), file('ours'));
    copyFileSync(file(image), file('disk'));
    const expected = theirs(...args);
    copyFileSync(file('disk'), file('theirs'));
    copyFileSync(file('ours'), file('disk'));
    expect(await ours(...args)).toEqual(expected);
    if (['qcow2', 'qed'].includes(format)) qemuImg('check', '-f', format, file('disk'));
    const contents = ['disk', 'theirs'].map((name) => {
      if (format === 'luks') return readFileSync(file(name));
      qemuImg('convert', '-f', format, '-O', 'raw', file(name), file('content'));
      return readFileSync(file('content'));
    });
    expect(contents[0]!.equals(contents[1]!)).toBe(true);
    const [size, judge] = ['disk', 'theirs'].map((name) => statSync(file(name)).size);
    // What a resize frees it does not use again itself.
    expect(size).toBeLessThanOrEqual(judge! + 64 * 1024);
  }

  const KINDS: [format: string, options: string | null, secret: readonly string[]][] = [
    ['raw', null, []],
    ['qcow2', null, []],
    ['qcow2', 'cluster_size=512,compat=0.10', []],
    ['qcow2', 'extended_l2=on,cluster_size=16k', []],
    ['qcow2', 'preallocation=falloc', []],
    ['qed', null, []],
    ['luks', 'key-secret=s,iter-time=10', ['--object', 'secret,id=s,data=12345678']],
  ];

  describe.each(KINDS)('of %s with %s', (format, options, secret) => {
    it.each([
      ['5M'],
      ['3M'],
      ['--shrink', '-1536k'],
      ['+100'],
      ['--preallocation=metadata', '+3M'],
      ['--preallocation=falloc', '+3M'],
      ['--preallocation=full', '6M'],
      ['7E'],
    ])('%s %s', async (...args) => {
      const image = 'image';
      qemuImg('create', '-q', '-f', format, ...secret, ...(options === null ? [] : ['-o', options]), file(image), '4M');
      if (secret.length === 0)
        qemuIo(file(image), format, 'write -P 1 0 700k', 'write -P 2 2M 1M', 'write -P 3 3584k 512k');
      const opened =
        secret.length > 0
          ? [...secret, '--image-opts', `driver=${format},key-secret=s,file.filename=disk`]
          : ['-f', format, 'disk'];
      await compare(image, format, ['resize', ...opened, ...args.slice(-1), ...args.slice(0, -1)]);
    });
  });

  it.each([['off'], ['metadata'], ['falloc'], ['full']])(
    'over a longer backing file, preallocation %s: the map is the same too',
    async (mode) => {
      qemuImg('create', '-q', '-f', 'qcow2', file('base'), '8M');
      qemuIo(file('base'), 'qcow2', 'write -P 7 0 8M');
      qemuImg('create', '-q', '-f', 'qcow2', '-b', file('base'), '-F', 'qcow2', file('image'), '3M');
      await compare('image', 'qcow2', ['resize', '-f', 'qcow2', '--preallocation', mode, 'disk', '11M']);
      const maps = ['disk', 'theirs'].map((name) =>
        JSON.parse(qemuImg('map', '--output=json', '-f', 'qcow2', file(name))).map(
          ({ start, length, data, zero, depth }: { [key: string]: unknown }) => ({ start, length, data, zero, depth }),
        ),
      );
      expect(maps[0]).toEqual(maps[1]);
    },
  );

  it.each(['vdi', 'vpc', 'vhdx', 'parallels', 'qcow'])('of %s: that keeps its size', async (format) => {
    qemuImg('create', '-q', '-f', format, file('image'), '4M');
    await compare('image', format, ['resize', '-f', format, 'disk', '6M']);
    await compare('image', format, ['resize', '-f', format, '--shrink', 'disk', '-1M']);
  });

  it.each([
    [[]],
    [['disk']],
    [['-f', 'raw', 'disk', 'other', '1k']],
    [['-f', 'raw', 'disk', '1x']],
    [['-f', 'raw', 'disk', '+']],
    [['-f', 'raw', 'disk', '']],
    [['-f', 'raw', 'disk', '+-5k']],
    [['-f', 'raw', 'disk', '--5k']],
    [['-f', 'raw', 'disk', '20E']],
    [['-f', 'raw', 'disk', '9E']],
    [['-f', 'raw', 'disk', '0']],
    [['-f', 'raw', 'disk', '-1M']],
    [['-f', 'raw', '--preallocation=full', 'disk', '1M']],
    [['-1k', '-f', 'raw', 'disk']],
    [['disk', '-1k', '-f', 'raw']],
    [['-f', 'raw', '--', 'disk', '-1k']],
    [['disk', '2M']],
    [['-q', '-f', 'raw', 'disk', '2M']],
    [['--preallocation=foo', 'disk', '2M']],
    [['-f', 'raw', 'missing', '2M']],
    [['disk', '2M', '--image-opts', '-f', 'raw']],
    [['--image-opts', 'driver=raw,offset=512,size=1024,file.filename=disk', '2M']],
    [['--image-opts', 'driver=raw,offset=512,file.filename=disk', '2M']],
    [['-f', 'raw', 'null-co://', '2M']],
  ])('%j ends as with qemu-img', async (args) => {
    qemuImg('create', '-q', '-f', 'raw', file('image'), String(MIB));
    await compare('image', 'raw', ['resize', ...args]);
  });

  it('is refused for an old qcow2 image with snapshots', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'compat=0.10', file('image'), '1M');
    qemuImg('snapshot', '-c', 'one', file('image'));
    await compare('image', 'qcow2', ['resize', '-f', 'qcow2', 'disk', '2M']);
  });

  it.each([true, false])('comes with commit where the backing file is shorter; with data in it: %s', async (isFull) => {
    for (const [name, size, backing] of [
      ['base', '4M', []],
      ['mid', '1M', ['-b', 'base', '-F', 'qcow2']],
      ['top', '3M', ['-b', 'mid', '-F', 'qcow2']],
    ] as const) {
      expect(theirs('create', '-q', '-f', 'qcow2', ...backing, name, size).status).toBe(0);
      if (name !== 'mid' || isFull)
        qemuIo(file(name), 'qcow2', `write -P ${size[0]} ${name === 'top' ? '512k 1M' : '0 1M'}`);
    }
    qemuIo(file('base'), 'qcow2', 'write -P 9 0 4M');
    for (const name of ['mid', 'top']) copyFileSync(file(name), file(`${name}.before`));
    const contents: Buffer[] = [];
    for (const program of [ours, theirs]) {
      for (const name of ['mid', 'top']) copyFileSync(file(`${name}.before`), file(name));
      expect(await program('commit', '-q', 'top')).toMatchObject({ status: 0, stderr: '' });
      qemuImg('check', '-q', file('mid'));
      qemuImg('convert', '-O', 'raw', file('mid'), file('content'));
      contents.push(readFileSync(file('content')));
    }
    expect(contents[0]!.length).toBe(3 * MIB);
    expect(contents[0]!.equals(contents[1]!)).toBe(true);
  });

  it.each(['64k', '256k'])(
    'with metadata for more than 2 GiB leaves the same file, in clusters of %s',
    async (size) => {
      qemuImg('create', '-q', '-f', 'qcow2', '-o', `cluster_size=${size}`, file('grown'), '10M');
      copyFileSync(file('grown'), file('judged'));
      const line = ['resize', '-q', '--preallocation=metadata'];
      expect(await ours(...line, 'grown', '3G')).toEqual(theirs(...line, 'judged', '3G'));
      expect(spawnSync('cmp', [file('grown'), file('judged')], { encoding: 'utf8' }).stdout).toBe('');
    },
  );
});
