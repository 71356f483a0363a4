/** What is refused, in one line and with qemu-img's words: wrong secrets and options, damaged headers. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { builtCli } from '../../support/built-cli.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';

const SECRET = ['--object', 'secret,id=sec0,data=astrochicken'];
const MIB = 1024 * 1024;

describeWith(['qemu-img'], 'LUKS images that are refused', () => {
  const scratch = scratchDirectory();
  const cli = builtCli();
  const convert = (name: string) => [
    ...['convert', ...SECRET, '--image-opts', `driver=luks,key-secret=sec0,file.filename=${name}`, 'x.raw'],
  ];

  async function ours(...args: string[]) {
    const { code, stdout, stderr } = await cli.run(args, { cwd: scratch('') });
    return { status: code, stdout, stderr };
  }

  function theirs(...args: string[]) {
    const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8', cwd: scratch('') });
    return { status, stdout, stderr };
  }

  beforeAll(() => {
    const options = ['-o', 'key-secret=sec0,iter-time=10'];
    qemuImg('create', '-q', ...SECRET, '-f', 'luks', ...options, scratch('theirs.luks'), '1M');
  });

  const image = (secret: string, options = 'driver=luks,key-secret=sec0,file.filename=theirs.luks') => [
    ...['convert', '--object', secret, '--image-opts', options, 'x.raw'],
  ];
  const create = (options: string) => ['create', ...SECRET, '-f', 'luks', '-o', options, 'x.luks', '1M'];

  it.each([
    [['convert', 'theirs.luks', 'x.raw']],
    [image('secret,id=sec0,data=wrong')],
    [image('secret,id=other,data=astrochicken')],
    [image('secret,id=sec0')],
    [image('secret,id=sec0,data=a,file=b')],
    [image('secret,id=sec0,file=/missing')],
    [image('secret,id=sec0,data=a!b,format=base64')],
    [image('secret,id=sec0,data=a,format=hex')],
    [image('secret,id=sec0,data=a,colour=red')],
    [image('secret,id=0,data=a')],
    [image('secret,id=sec0,data=a,keyid=none,iv=AAAA')],
    [['convert', ...SECRET, ...SECRET, 'theirs.luks', 'x.raw']],
    [['create', '-f', 'luks', 'x.luks', '1M']],
    [create('key-secret=none')],
    [create('key-secret=sec0,cipher-alg=rot13')],
    [create('key-secret=sec0,cipher-alg=des')],
    [create('key-secret=sec0,cipher-mode=gcm')],
    [create('key-secret=sec0,ivgen-alg=null')],
    [create('key-secret=sec0,ivgen-alg=essiv,ivgen-hash-alg=crc')],
    [create('key-secret=sec0,hash-alg=crc')],
    [create('key-secret=sec0,iter-time=soon')],
  ])('%j', async (line) => {
    const outcome = await ours(...line);
    expect(outcome).toEqual(theirs(...line));
    expect(outcome.status).toBe(1);
  });

  /** What is written over the header, and where. */
  const damages: [what: string, offset: number, bytes: number[] | string][] = [
    ['another magic', 0, 'X'],
    ['version 2', 6, [0, 2]],
    ['a cipher name without end', 8, 'a'.repeat(32)],
    ['a cipher mode without end', 40, 'a'.repeat(32)],
    ['a hash name without end', 72, 'a'.repeat(32)],
    ['an unknown cipher', 8, 'foo\0'],
    ['a cipher of others', 8, 'camellia\0'],
    ['a mode without generator', 40, 'xtsplain64\0'],
    ['an unknown mode', 40, 'foo-plain64\0'],
    ['an unknown generator', 40, 'xts-foobar\0'],
    ['essiv without hash', 40, 'xts-essiv\0\0\0'],
    ['essiv with an unknown hash', 40, 'xts-essiv:foo\0'],
    ['an unknown hash', 72, 'foo256\0'],
    ['a disk within the header', 104, [0, 0, 0, 1]],
    ['no key', 108, [0, 0, 0, 0]],
    ['an endless key', 108, [0xff, 0, 0, 0]],
    ['no iterations', 164, [0, 0, 0, 0]],
    ['a slot in an unknown state', 208, [0, 0, 0, 1]],
    ['a slot without iterations', 212, [0, 0, 0, 0]],
    ['a slot within the header', 208 + 40, [0, 0, 0, 1]],
    ['a slot within the disk', 208 + 40, [0, 1, 0, 0]],
    ['a slot over another', 208 + 40, [0, 0, 2, 0]],
    ['a slot of one stripe', 208 + 44, [0, 0, 0, 1]],
    ['a changed key check', 112, [1, 2, 3, 4]],
  ];

  it.each(damages)('a header with %s is refused as by qemu-img', async (_, offset, bytes) => {
    const image = readFileSync(scratch('theirs.luks'));
    image.set(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, offset);
    writeFileSync(scratch('broken.luks'), image);
    const outcome = await ours(...convert('broken.luks'));
    expect(outcome).toEqual(theirs(...convert('broken.luks')));
    expect(outcome.status).toBe(1);
  });

  it.each([
    ['the key check', [164]],
    ['one slot', [212]],
    ['all slots', Array.from({ length: 8 }, (_, slot) => 212 + 48 * slot)],
  ])('2^32 iterations of %s are not begun', async (_, places) => {
    const image = readFileSync(scratch('theirs.luks'));
    for (const at of places) {
      image.writeUInt32BE(0xffffffff, at);
      if (at >= 212) image.writeUInt32BE(0x00ac71f3, at - 4);
    }
    writeFileSync(scratch('endless.luks'), image);
    const start = Date.now();
    const { status, stderr } = await ours(...convert('endless.luks'));
    expect(status).toBe(1);
    expect(stderr).toContain('Too many PBKDF iterations, 4294967295');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(Date.now() - start).toBeLessThan(60_000);
    expect(existsSync(scratch('x.raw'))).toBe(false);
  });

  it('an image that could not be opened again is not made', async () => {
    const { status, stderr } = await ours(...create('key-secret=sec0,iter-time=4000000000'));
    expect([status, stderr]).toEqual([1, expect.stringContaining('is too large: the image could not be opened again')]);
    expect(existsSync(scratch('x.luks'))).toBe(false);
  });

  it.each([100, 3000, 100_000, 2 * MIB - 100_000])('a file cut off at %i bytes is refused', async (length) => {
    writeFileSync(scratch('short.luks'), readFileSync(scratch('theirs.luks')).subarray(0, length));
    const { status, stderr } = await ours(...convert('short.luks'));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^diskloom: Could not open .*\n$|^qemu-img: Could not open .*\n$/);
  });
});
