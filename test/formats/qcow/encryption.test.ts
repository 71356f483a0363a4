/** Encrypted qcow images against qemu-img, in both directions. */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { bothPrograms } from '../../support/both-programs.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';

const SECRET = ['--object', 'secret,id=sec0,data=astrochicken'];
const MIB = 1024 * 1024;

describeWith(['qemu-img', 'qemu-io'], 'encrypted qcow', () => {
  const file = scratchDirectory();
  const { ours, theirs, succeeds } = bothPrograms(file);
  const options = (name: string) => `driver=qcow,encrypt.key-secret=sec0,file.filename=${name}`;

  function expectContent(raw: string, image: string): void {
    const same = theirs('compare', ...SECRET, '--image-opts', `driver=raw,file.filename=${raw}`, options(image));
    expect(same).toMatchObject({ status: 0 });
  }

  beforeAll(() => {
    const disk = new Uint8Array(4 * MIB);
    for (let at = 0; at < disk.length; at++) disk[at] = (at >> 14) & 1 ? (at * 7) >> 3 : 0;
    disk.fill(0, MIB, 2 * MIB);
    writeFileSync(file('disk.raw'), disk);
    disk.fill(0x5a, MIB + 512, 3 * MIB - 4096);
    disk.fill(0, 3 * MIB, 3.5 * MIB);
    writeFileSync(file('changed.raw'), disk);
    const choice = ['-o', 'encrypt.format=aes,encrypt.key-secret=sec0'];
    qemuImg('convert', ...SECRET, '-f', 'raw', '-O', 'qcow', ...choice, file('disk.raw'), file('theirs.qcow'));
  });

  it.each(['encrypt.format=aes', 'encryption=on'])('%s: written, and changed in place', async (choice) => {
    const made = ['-o', `encrypt.key-secret=sec0,${choice}`];
    await succeeds('convert', ...SECRET, '-f', 'raw', '-O', 'qcow', ...made, 'disk.raw', 'ours.qcow');
    expectContent('disk.raw', 'ours.qcow');
    const target = ['--target-image-opts', options('ours.qcow')];
    await succeeds('convert', ...SECRET, '-n', '-f', 'raw', 'changed.raw', ...target);
    expectContent('changed.raw', 'ours.qcow');
  });

  it('an overlay', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', file('base.qcow2'), '4M');
    qemuIo(file('base.qcow2'), 'qcow2', 'write -P 9 0 4M');
    const made = ['-B', 'base.qcow2', '-F', 'qcow2', '-o', 'encrypt.key-secret=sec0,encrypt.format=aes'];
    await succeeds('convert', ...SECRET, '-f', 'raw', '-O', 'qcow', ...made, 'disk.raw', 'overlay.qcow');
    expectContent('disk.raw', 'overlay.qcow');
  });

  it('made by qemu-img: read, described, mapped', async () => {
    await succeeds('convert', ...SECRET, '--image-opts', options('theirs.qcow'), 'back.raw');
    expect(readFileSync(file('back.raw')).equals(readFileSync(file('disk.raw')))).toBe(true);
    for (const line of [
      ['info', 'theirs.qcow'],
      ['info', '--output=json', ...SECRET, '--image-opts', options('theirs.qcow')],
      ['map', '--output=json', ...SECRET, '--image-opts', options('theirs.qcow')],
    ])
      expect(await ours(...line)).toEqual(theirs(...line));
  });

  it.each([
    ['convert', 'theirs.qcow', 'x.raw'],
    ['convert', '--image-opts', 'driver=qcow,encrypt.key-secret=none,file.filename=theirs.qcow', 'x.raw'],
    ['create', '-f', 'qcow', '-o', 'encryption=on', 'x.qcow', '1M'],
    ['create', '-f', 'qcow', '-o', 'encrypt.key-secret=sec0', 'x.qcow', '1M'],
    ['create', '-f', 'qcow', '-o', 'encrypt.format=rot13,encrypt.key-secret=sec0', 'x.qcow', '1M'],
    ['create', '-f', 'qcow', '-o', 'encryption=on,encrypt.format=aes,encrypt.key-secret=sec0', 'x.qcow', '1M'],
  ])('refuses as qemu-img does: %s %s %s %s %s', async (verb, ...args) => {
    const line = [verb, ...SECRET, ...args];
    const outcome = await ours(...line);
    expect(outcome).toEqual(theirs(...line));
    expect(outcome.status).toBe(1);
  });
});
