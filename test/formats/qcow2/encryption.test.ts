/** Encrypted qcow2 images against qemu-img, in both directions. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { builtCli } from '../../support/built-cli.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';

const SECRET = ['--object', 'secret,id=sec0,data=astrochicken'];
const MIB = 1024 * 1024;

describeWith(['qemu-img', 'qemu-io'], 'encrypted qcow2', () => {
  const scratch = scratchDirectory();
  const cli = builtCli();
  const opts = (name: string) => `driver=qcow2,encrypt.key-secret=sec0,file.filename=${name}`;

  async function ours(...args: string[]) {
    const { code, stdout, stderr } = await cli.run(args, { cwd: scratch('') });
    return { status: code, stdout, stderr };
  }

  function theirs(...args: string[]) {
    const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8', cwd: scratch('') });
    return { status, stdout, stderr };
  }

  async function succeeds(...args: string[]): Promise<void> {
    expect(await ours(...args)).toMatchObject({ status: 0, stderr: '' });
  }

  /** The judge finds the image sound, and in it what is in the raw one. */
  function expectContent(raw: string, image: string): void {
    const same = theirs('compare', ...SECRET, '--image-opts', `driver=raw,file.filename=${raw}`, opts(image));
    expect(same).toMatchObject({ status: 0, stderr: '' });
    expect(theirs('check', ...SECRET, '--image-opts', opts(image))).toMatchObject({ status: 0, stderr: '' });
  }

  function createByJudge(format: string, name: string): void {
    const options = `encrypt.format=${format},encrypt.key-secret=sec0${format === 'luks' ? ',encrypt.iter-time=10' : ''}`;
    qemuImg('convert', ...SECRET, '-f', 'raw', '-O', 'qcow2', '-o', options, scratch('disk.raw'), scratch(name));
  }

  beforeAll(() => {
    const disk = new Uint8Array(4 * MIB);
    for (let at = 0; at < disk.length; at++) disk[at] = (at >> 14) & 1 ? (at * 7) >> 3 : 0;
    disk.fill(0, MIB, 2 * MIB);
    writeFileSync(scratch('disk.raw'), disk);
    disk.fill(0x5a, MIB + 512, 3 * MIB - 4096);
    disk.fill(0, 3 * MIB, 3.5 * MIB);
    writeFileSync(scratch('changed.raw'), disk);
    createByJudge('luks', 'luks.qcow2');
    createByJudge('aes', 'aes.qcow2');
  });

  it.each([
    'encrypt.format=luks,encrypt.iter-time=10',
    'encrypt.format=luks,encrypt.iter-time=10,compat=v2,cluster_size=4096',
    'encrypt.format=luks,encrypt.iter-time=10,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,preallocation=metadata',
    'encrypt.format=aes',
    'encryption=on,extended_l2=on,cluster_size=32k',
    'encrypt.format=aes,compat=v2,preallocation=full',
  ])('%s: written, and changed in place', async (choice) => {
    const options = ['-o', `encrypt.key-secret=sec0,${choice}`];
    await succeeds('convert', ...SECRET, '-f', 'raw', '-O', 'qcow2', ...options, 'disk.raw', 'ours.qcow2');
    expectContent('disk.raw', 'ours.qcow2');
    const target = ['--target-image-opts', opts('ours.qcow2')];
    await succeeds('convert', ...SECRET, '-n', '-f', 'raw', 'changed.raw', ...target);
    expectContent('changed.raw', 'ours.qcow2');
  });

  it.each(['luks', 'aes'])('%s, made by qemu-img: read, described, mapped', async (format) => {
    const image = opts(`${format}.qcow2`);
    await succeeds('convert', ...SECRET, '--image-opts', image, 'back.raw');
    expect(readFileSync(scratch('back.raw')).equals(readFileSync(scratch('disk.raw')))).toBe(true);
    for (const line of [
      ['info', `${format}.qcow2`],
      ['info', '--output=json', ...SECRET, '--image-opts', image],
      ['map', '--output=json', ...SECRET, '--image-opts', image],
      ['check', ...SECRET, '--image-opts', image],
    ])
      expect(await ours(...line)).toEqual(theirs(...line));
  });

  it.each(['luks,encrypt.iter-time=10', 'aes', 'aes,compat=v2'])('%s: an overlay', async (format) => {
    qemuImg('create', '-q', '-f', 'qcow2', scratch('base.qcow2'), '4M');
    qemuIo(scratch('base.qcow2'), 'qcow2', 'write -P 9 0 4M');
    const backing = ['-B', 'base.qcow2', '-F', 'qcow2'];
    const options = ['-o', `encrypt.key-secret=sec0,encrypt.format=${format}`];
    const line = ['convert', ...SECRET, '-f', 'raw', '-O', 'qcow2', ...backing, ...options];
    await succeeds(...line, 'disk.raw', 'overlay.qcow2');
    expectContent('disk.raw', 'overlay.qcow2');
  });

  it.each([
    ['luks.qcow2'],
    ['--image-opts', 'driver=qcow2,encrypt.format=luks,file.filename=luks.qcow2'],
    ['--image-opts', 'driver=qcow2,encrypt.format=aes,encrypt.key-secret=sec0,file.filename=luks.qcow2'],
    ['--image-opts', 'driver=qcow2,encrypt.key-secret=none,file.filename=aes.qcow2'],
    [
      '--object',
      'secret,id=bad,data=x',
      '--image-opts',
      'encrypt.key-secret=bad,driver=qcow2,file.filename=luks.qcow2',
    ],
  ])('refuses as qemu-img does: %s %s %s %s', async (...args) => {
    const line = ['convert', ...SECRET, ...args, 'x.raw'];
    const outcome = await ours(...line);
    expect(outcome).toEqual(theirs(...line));
    expect(outcome.status).toBe(1);
  });

  it.each([
    'encryption=on',
    'encrypt.format=luks',
    'encrypt.format=rot13,encrypt.key-secret=sec0',
    'encrypt.key-secret=sec0',
    'encrypt.format=luks,encrypt.key-secret=none',
    'encrypt.format=luks,encrypt.key-secret=sec0,encrypt.hash-alg=crc',
    'encrypt.format=aes,encrypt.key-secret=sec0,encrypt.cipher-alg=aes-256',
    'encryption=on,encrypt.format=luks,encrypt.key-secret=sec0',
  ])('does not create with %s', async (options) => {
    const line = ['create', ...SECRET, '-f', 'qcow2', '-o', options, 'x.qcow2', '1M'];
    const outcome = await ours(...line);
    expect(outcome).toEqual(theirs(...line));
    expect(outcome.status).toBe(1);
  });
});
