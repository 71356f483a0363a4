/** LUKS images against qemu-img, in both directions. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { builtCli } from '../../support/built-cli.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';

const SECRET = ['--object', 'secret,id=sec0,data=astrochicken'];
const MIB = 1024 * 1024;

describeWith(['qemu-img', 'qemu-io'], 'LUKS', () => {
  const scratch = scratchDirectory();
  const cli = builtCli();
  const opts = (name: string) => `driver=luks,key-secret=sec0,file.filename=${name}`;

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

  /** The judge finds in the LUKS image what is in the raw one. */
  function expectContent(raw: string, luks: string): void {
    const compared = theirs('compare', ...SECRET, '--image-opts', `driver=raw,file.filename=${raw}`, opts(luks));
    expect(compared).toMatchObject({ status: 0, stderr: '' });
  }

  beforeAll(() => {
    const disk = new Uint8Array(4 * MIB);
    for (let at = 0; at < disk.length; at++) disk[at] = (at >> 12) & 1 ? (at * 7) >> 3 : 0;
    writeFileSync(scratch('disk.raw'), disk);
    const create = ['convert', ...SECRET, '-f', 'raw', '-O', 'luks', '-o', 'key-secret=sec0,iter-time=10'];
    qemuImg(...create, scratch('disk.raw'), scratch('theirs.luks'));
  });

  it.each([
    'cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,hash-alg=sha256',
    'cipher-alg=aes-128,cipher-mode=xts,ivgen-alg=plain',
    'cipher-alg=aes-256,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha1',
    'cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=plain64,hash-alg=sha512',
  ])('is written and read with %s', async (choice) => {
    const options = ['-o', `key-secret=sec0,iter-time=10,${choice}`];
    await succeeds('convert', ...SECRET, '-f', 'raw', '-O', 'luks', ...options, 'disk.raw', 'ours.luks');
    expectContent('disk.raw', 'ours.luks');
    theirs('convert', ...SECRET, '-f', 'raw', '-O', 'luks', ...options, 'disk.raw', 'judge.luks');
    await succeeds('convert', ...SECRET, '--image-opts', '-O', 'raw', opts('judge.luks'), 'back.raw');
    expect(readFileSync(scratch('back.raw')).equals(readFileSync(scratch('disk.raw')))).toBe(true);
  });

  it('info and map answer as qemu-img does', async () => {
    const lines = [
      ['info', 'theirs.luks'],
      ['info', '--output=json', ...SECRET, '--image-opts', opts('theirs.luks')],
      ['map', '--output=json', ...SECRET, '--image-opts', opts('theirs.luks')],
      ['map', 'theirs.luks'],
    ];
    for (const line of lines) expect(await ours(...line)).toEqual(theirs(...line));
  });

  it('create makes an image of the same size, with the same header but for what is random', async () => {
    const line = ['create', ...SECRET, '-f', 'luks', '-o', 'key-secret=sec0,iter-time=10'];
    expect(await ours(...line, 'new.luks', '3M')).toMatchObject(theirs(...line, 'new.luks', '3M'));
    theirs(...line, 'judge.luks', '3M');
    await succeeds(...line, 'new.luks', '3M');
    expect(statSync(scratch('new.luks')).size).toBe(statSync(scratch('judge.luks')).size);
    const described = (name: string) =>
      JSON.parse(theirs('info', '--output=json', name).stdout)['format-specific'].data as { [key: string]: unknown };
    const random = { uuid: expect.any(String), 'master-key-iters': expect.any(Number), slots: expect.any(Array) };
    expect(described('new.luks')).toEqual({ ...described('judge.luks'), ...random });
  });

  it('the key slot costs about the time that was asked for', async () => {
    const iterations = async (time: number) => {
      await succeeds(
        'create',
        '-q',
        ...SECRET,
        '-f',
        'luks',
        '-o',
        `key-secret=sec0,iter-time=${time}`,
        'k.luks',
        '1M',
      );
      const { data } = JSON.parse(theirs('info', '--output=json', 'k.luks').stdout)['format-specific'];
      return data.slots[0].iters as number;
    };
    expect(await iterations(0)).toBe(1000);
    expect(await iterations(200)).toBeGreaterThan(20_000);
  });

  it('an existing image is written in place', async () => {
    copyFileSync(scratch('theirs.luks'), scratch('edit.luks'));
    const disk = readFileSync(scratch('disk.raw'));
    disk.fill(0x5a, MIB, 3 * MIB);
    writeFileSync(scratch('changed.raw'), disk);
    const target = ['--target-image-opts', opts('edit.luks')];
    await succeeds('convert', ...SECRET, '-n', '-f', 'raw', 'changed.raw', ...target);
    expectContent('changed.raw', 'edit.luks');
  });

  it('other slots open it too', async () => {
    copyFileSync(scratch('theirs.luks'), scratch('two.luks'));
    const more = ['--object', 'secret,id=new,data=platypus', '-o', 'state=active,new-secret=new,iter-time=10'];
    expect(theirs('amend', ...SECRET, ...more, '--image-opts', opts('two.luks'))).toMatchObject({ status: 0 });
    const second = ['--object', 'secret,id=sec0,data=platypus', '--image-opts', opts('two.luks')];
    await succeeds('convert', ...second, '-O', 'raw', 'back.raw');
    expect(readFileSync(scratch('back.raw')).equals(readFileSync(scratch('disk.raw')))).toBe(true);
  });

  it('base64, and secrets in files and under other secrets, are understood', async () => {
    const convert = (secret: string) => ['convert', '--object', secret, '--image-opts', opts('theirs.luks'), 'x.raw'];
    writeFileSync(scratch('passphrase'), 'astrochicken');
    await succeeds(...convert('secret,id=sec0,file=passphrase'));
    await succeeds(...convert('secret,id=sec0,data=YXN0cm9jaGlja2Vu,format=base64'));
  });
});
