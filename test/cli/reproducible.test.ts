/** `--reproducible` and SOURCE_DATE_EPOCH: the same file for the same disk and options. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { drivers } from '../../src/formats/index.js';
import { builtCli } from '../support/built-cli.js';
import { scratchDirectory } from '../support/scratch.js';

const SECRET = ['--object', 'secret,id=s,data=abc'];
/** Formats with fields that differ in each image. */
const WITH_IDENTITY = ['vdi', 'vhdx', 'vmdk', 'vpc'];
const formats = drivers.filter(({ name, create }) => create !== undefined && name !== 'luks').map(({ name }) => name);

describe('reproducible images', () => {
  const scratch = scratchDirectory();
  const cli = builtCli();

  async function convert(target: string, ...options: string[]): Promise<Buffer> {
    writeFileSync(scratch('disk'), Buffer.alloc(3 * 1024 * 1024, 'disk'));
    const outcome = await cli.run(['convert', ...options, scratch('disk'), scratch(target)]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    return readFileSync(scratch(target));
  }

  it.each(formats)('of %s are equal to the byte, whatever they are called', async (format) => {
    const first = await convert('a', '-O', format, '--reproducible');
    // The descriptor of a VMDK names its extents, which is the file itself.
    const again = format === 'vmdk' ? 'a' : 'b';
    expect((await convert(again, '-O', format, '--reproducible')).equals(first)).toBe(true);
  });

  it.each(WITH_IDENTITY)('of %s are not made unless they are asked for', async (format) => {
    const first = await convert('a', '-O', format);
    expect((await convert('b', '-O', format)).equals(first)).toBe(false);
  });

  it('have identities that depend on the options', async () => {
    const dynamic = await convert('a', '-O', 'vpc', '--reproducible');
    const forced = await convert('b', '-O', 'vpc', '-o', 'force_size=on', '--reproducible');
    const uuid = (vhd: Buffer) => vhd.subarray(68, 84).toString('hex');
    expect(uuid(forced)).not.toBe(uuid(dynamic));
    expect(uuid(dynamic)).toMatch(/^.{12}8.{3}[89ab]/);
  });

  it('are also made by create and dd', async () => {
    for (const target of ['a', 'b'])
      await cli.run(['create', '--reproducible', '-q', '-f', 'vdi', scratch(target), '64M']);
    expect(readFileSync(scratch('a')).equals(readFileSync(scratch('b')))).toBe(true);
    for (const target of ['a', 'b'])
      await cli.run(['dd', '--reproducible', '-O', 'vhdx', `if=${scratch('disk')}`, `of=${scratch(target)}`]);
    expect(readFileSync(scratch('a')).equals(readFileSync(scratch('b')))).toBe(true);
  });

  it('have the time of SOURCE_DATE_EPOCH, which other images have too', async () => {
    const seconds = async (epoch: string, ...options: string[]) => {
      const env = { ...process.env, SOURCE_DATE_EPOCH: epoch };
      const outcome = await cli.run(['create', '-q', '-f', 'vpc', ...options, scratch('t'), '64M'], { env });
      expect(outcome).toMatchObject({ code: 0, stderr: '' });
      return readFileSync(scratch('t')).readUInt32BE(24);
    };
    expect(await seconds('946684801')).toBe(1);
    expect(await seconds('946684802', '--reproducible')).toBe(2);
    expect(await seconds('5')).toBe(0);
    expect(await seconds('', '--reproducible')).toBe(0);
    expect(await seconds('')).toBeGreaterThan(700_000_000);
  });

  it.each(['soon', '-1', '1.5'])('need a SOURCE_DATE_EPOCH of whole seconds, not %s', async (epoch) => {
    const env = { ...process.env, SOURCE_DATE_EPOCH: epoch };
    const outcome = await cli.run(['create', '-f', 'vpc', scratch('never'), '64M'], { env });
    expect(outcome).toMatchObject({ code: 1, stderr: `qemu-img: Invalid SOURCE_DATE_EPOCH specified: '${epoch}'\n` });
    expect(existsSync(scratch('never'))).toBe(false);
  });

  it.each([
    [['-f', 'luks', '-o', 'key-secret=s'], 'LUKS images'],
    [['-f', 'qcow2', '-o', 'encrypt.format=luks,encrypt.key-secret=s'], 'Images encrypted with LUKS'],
  ])('are refused where there are keys and salts: %j', async (options, what) => {
    const outcome = await cli.run(['create', '--reproducible', '-q', ...SECRET, ...options, scratch('secret'), '1M']);
    const reason = 'cannot be reproducible: keys and salts are always random';
    expect(outcome).toMatchObject({ code: 1, stderr: `qemu-img: ${scratch('secret')}: ${what} ${reason}\n` });
    expect(existsSync(scratch('secret'))).toBe(false);
  });

  it('cannot be made of an image that exists', async () => {
    const outcome = await cli.run(['convert', '-n', '--reproducible', scratch('disk'), scratch('target')]);
    const reason = '--reproducible has no effect when skipping image creation';
    expect(outcome).toMatchObject({ code: 1, stderr: `qemu-img: ${reason}\n` });
  });
});
