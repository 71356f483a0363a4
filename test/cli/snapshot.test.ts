/** `snapshot` on the command line: what it prints, and the same file as `qemu-img` makes. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { bothPrograms } from '../support/both-programs.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

describeWith(['qemu-img', 'qemu-io'], 'snapshot', () => {
  const file = scratchDirectory();
  const { ours, theirs, succeeds } = bothPrograms(file);

  /** The file without the times of its snapshots. */
  function timeless(name: string): Buffer {
    const bytes = readFileSync(file(name));
    let at = Number(bytes.readBigUInt64BE(64));
    for (let count = bytes.readUInt32BE(60); count > 0; count--) {
      at = Math.ceil(at / 8) * 8;
      bytes.fill(0, at + 16, at + 24);
      at += 40 + bytes.readUInt16BE(at + 12) + bytes.readUInt16BE(at + 14) + bytes.readUInt32BE(at + 36);
    }
    return bytes;
  }

  function makeTwo(options: string, size = '8M'): void {
    qemuImg('create', '-q', '-f', 'qcow2', ...(options === '' ? [] : ['-o', options]), file('theirs'), size);
    copyFileSync(file('theirs'), file('ours'));
  }

  function writeBoth(...commands: string[]): void {
    for (const name of ['ours', 'theirs']) qemuIo(file(name), 'qcow2', ...commands);
  }

  it.each([
    '',
    'cluster_size=512',
    'cluster_size=2M',
    'extended_l2=on',
    'refcount_bits=64',
    'compat=0.10',
    'lazy_refcounts=on',
    'preallocation=metadata',
  ])(
    'makes and deletes as qemu-img does, byte for byte, with %s',
    async (options) => {
      makeTwo(options);
      writeBoth('write -P 1 0 3M', 'write -P 2 5M 64k');
      for (const step of [
        '-c one',
        'write -P 3 1M 500k',
        '-c two',
        'write -P 4 0 1M',
        '-d one',
        '-c four',
        '-d two',
        '-d four',
      ]) {
        if (step.startsWith('write')) {
          writeBoth(step);
          continue;
        }
        await succeeds('snapshot', ...step.split(' '), 'ours');
        expect(theirs('snapshot', ...step.split(' '), 'theirs').status).toBe(0);
        expect(`${step}: ${timeless('ours').equals(timeless('theirs'))}`).toBe(`${step}: true`);
      }
    },
    60_000,
  );

  it('goes back as qemu-img does', async () => {
    makeTwo('cluster_size=4k');
    writeBoth('write -P 1 0 3M');
    for (const name of ['ours', 'theirs']) qemuImg('snapshot', '-c', 'one', file(name));
    writeBoth('write -P 2 1M 4M');
    await succeeds('snapshot', '-a', 'one', 'ours');
    qemuImg('snapshot', '-a', '1', file('theirs'));
    qemuImg('check', '-q', file('ours'));
    qemuImg('compare', '-q', file('ours'), file('theirs'));
    expect(readFileSync(file('ours')).length).toBeLessThan(readFileSync(file('theirs')).length + 8192);
  });

  it('lists as qemu-img does', async () => {
    makeTwo('');
    expect(await succeeds('snapshot', 'ours')).toBe('');
    for (const name of ['one', 'a name of some length', '']) await succeeds('snapshot', '-c', name, 'ours');
    for (const options of [['-l'], ['--list', '-q'], ['-U'], []])
      expect(await ours('snapshot', ...options, 'ours')).toEqual(theirs('snapshot', ...options, 'ours'));
    expect(await succeeds('snapshot', '-l', 'ours')).toMatch(/^1 {7}one +0 B 20/m);
  });

  beforeAll(() => {
    const create = (name: string, ...more: string[]) => qemuImg('create', '-q', ...more, file(name), '1M');
    create('plain.vhdx', '-f', 'vhdx');
    create('data.qcow2', '-f', 'qcow2', '-o', `data_file=${file('data')}`);
    create('narrow.qcow2', '-f', 'qcow2', '-o', 'refcount_bits=1');
    for (const name of ['some', 'full', 'marked', 'torn']) create(`${name}.qcow2`, '-f', 'qcow2');
    qemuIo(file('narrow.qcow2'), 'qcow2', 'write 0 512');
    qemuImg('bitmap', '--add', file('marked.qcow2'), 'bits');
    for (const name of ['some', 'torn']) qemuImg('snapshot', '-c', 'one', file(`${name}.qcow2`));
    const full = readFileSync(file('full.qcow2'));
    full.writeUInt32BE(65536, 60);
    full.writeBigUInt64BE(1n << 24n, 64);
    writeFileSync(file('full.qcow2'), full);
    const torn = readFileSync(file('torn.qcow2'));
    torn.writeBigUInt64BE(0x400200n, Number(torn.readBigUInt64BE(64)));
    writeFileSync(file('torn.qcow2'), torn);
  });

  it.each([
    [['-c', 'x', 'plain.vhdx'], "Could not create snapshot 'x': Operation not supported"],
    [['-a', 'x', 'plain.vhdx'], "Could not apply snapshot 'x': Block driver does not support snapshots"],
    [['-d', 'x', 'plain.vhdx'], "Could not delete snapshot 'x': snapshot not found"],
    [['-c', 'x', 'data.qcow2'], "Could not create snapshot 'x': Operation not supported"],
    [['-a', 'x', 'data.qcow2'], "Could not apply snapshot 'x': Failed to load snapshot: Operation not supported"],
    [['-d', 'x', 'data.qcow2'], "Could not delete snapshot 'x': snapshot not found"],
    [['-c', 'x', 'full.qcow2'], "Could not create snapshot 'x': File too large"],
    [['-c', 'x', 'narrow.qcow2'], "Could not create snapshot 'x': Invalid argument"],
    [['-a', 'y', 'marked.qcow2'], "Could not apply snapshot 'y': Device has active dirty bitmaps"],
    [['-a', 'y', 'some.qcow2'], "Could not apply snapshot 'y': Failed to load snapshot: No such file or directory"],
    [['-d', '1', 'some.qcow2'], "Could not delete snapshot '1': snapshot not found"],
    [['-a', 'one', 'torn.qcow2'], 'Snapshot L1 table offset invalid'],
    [['-d', 'one', 'torn.qcow2'], "Could not delete snapshot 'one': Snapshot L1 table offset invalid"],
    [['-U', '-c', 'x', 'some.qcow2'], 'force-share=on can only be used with read-only images'],
    [['-l', 'none.qcow2'], "Could not open 'none.qcow2': Could not open 'none.qcow2': No such file or directory"],
    [['-l', '-d', 'x', 'some.qcow2'], "Cannot mix '-l', '-a', '-c', '-d'"],
    [['-l'], 'Expecting one image file name'],
    [['-c', 'x'], 'Expecting one image file name'],
  ])('%j is refused as qemu-img refuses it', async (args, message) => {
    const [mine, other] = [await ours('snapshot', ...args), theirs('snapshot', ...args)];
    expect(mine.stderr).toContain(message);
    expect(mine).toEqual(other);
  });

  it('leaves a leaked cluster and nothing else where a refcount has no room', async () => {
    makeTwo('refcount_bits=1');
    writeBoth('write -P 1 0 512');
    for (const [name, { status }] of [
      ['ours', await ours('snapshot', '-c', 'x', 'ours')],
      ['theirs', theirs('snapshot', '-c', 'x', 'theirs')],
    ] as const) {
      expect(status).toBe(1);
      expect(theirs('check', name)).toMatchObject({ status: 3, stderr: 'Leaked cluster 6 refcount=1 reference=0\n' });
    }
  });

  it('lists those of an image beneath a raw one, as qemu-img does', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', file('beneath'), '1M');
    qemuImg('snapshot', '-c', 'one', file('beneath'));
    const options = 'driver=raw,file.driver=qcow2,file.file.filename=beneath';
    for (const line of [
      ['snapshot', '-l'],
      ['info', '--output=json'],
      ['info', '--output=human'],
    ])
      expect(await ours(...line, '--image-opts', options)).toEqual(theirs(...line, '--image-opts', options));
  });
});
