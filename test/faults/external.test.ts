/** Files that an image names outside its directory: refused by name, with the way to allow them; and then opened. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Servers } from '../net/servers.js';
import { builtCli } from '../support/built-cli.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

const SIZE = 1024 * 1024;

const scratch = scratchDirectory();
const cli = builtCli();
const inside = (name: string) => scratch(`inside/${name}`);

/** An image in `inside` with this backing file; `qemu-img` does not look whether it is there. */
function overlay(name: string, backing: string, format = 'raw'): string {
  const path = inside(name);
  qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', backing, '-F', format, path, String(SIZE));
  return path;
}

describeWith(['qemu-img', 'qemu-io', 'nbdkit'], 'files that an image names', () => {
  let servers: Servers;

  beforeAll(() => {
    servers = new Servers();
    mkdirSync(inside('sub'), { recursive: true });
    for (const name of ['secret.raw', 'inside/plain.raw', 'inside/sub/plain.raw'])
      writeFileSync(scratch(name), new Uint8Array(SIZE).fill(0x53));
    symlinkSync(scratch('secret.raw'), inside('link.raw'));
    symlinkSync(scratch(''), inside('up'));
    symlinkSync('/dev/zero', inside('device'));
  });
  afterAll(() => servers.stop());

  const outside: [what: string, backing: () => string | Promise<string>, named: () => string][] = [
    ['a relative path', () => '../secret.raw', () => `${inside('')}../secret.raw`],
    ['an absolute path', () => scratch('secret.raw'), () => scratch('secret.raw')],
    ['a link to a file', () => 'link.raw', () => inside('link.raw')],
    ['a link to a directory', () => 'up/secret.raw', () => inside('up/secret.raw')],
    ['a protocol before a path', () => `file:${scratch('secret.raw')}`, () => scratch('secret.raw')],
    [
      'a json: name',
      () => `json:{"driver":"raw","file":{"driver":"file","filename":"${scratch('secret.raw')}"}}`,
      () => scratch('secret.raw'),
    ],
    ['a server', () => servers.nbdkit('pattern', '1M'), () => 'nbd+unix:///?socket='],
  ];

  it.each(outside)('%s as a backing file', async (what, backing, named) => {
    const source = overlay(`${what}.qcow2`, await backing());
    const target = scratch(`${what}.new`);
    for (const verb of [
      ['convert', '-O', 'raw'],
      ['info', '--backing-chain'],
    ]) {
      const names = verb[0] === 'convert' ? [source, target] : [source];
      const refused = await cli.run([...verb, ...names]);
      expect(refused.code, refused.stderr).toBe(1);
      expect(refused.stderr).toContain(`'${named()}`);
      expect(refused.stderr).toMatch(/^qemu-img: Could not open .*--allow-external.*\n$/);
      const allowed = await cli.run([...verb, '--allow-external', ...names]);
      expect(allowed, verb.join(' ')).toMatchObject({ code: 0, stderr: '' });
    }
    qemuImg('compare', '-q', source, target, '-F', 'raw');
  });

  it('a device, linked to from within the directory', async () => {
    const refused = await cli.run(['convert', '-O', 'raw', overlay('zero.qcow2', 'device'), scratch('zero')]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^qemu-img: .*device' .*--allow-external.*\n$/);
  });

  it.each([
    ['beside it', 'plain.raw'],
    ['below it', 'sub/plain.raw'],
    ['by a way round', 'sub/../plain.raw'],
  ])('a backing file %s is opened', async (what, backing) => {
    const source = overlay(`allowed ${what}.qcow2`, backing);
    const outcome = await cli.run(['convert', '-O', 'raw', source, scratch('allowed')]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    qemuImg('compare', '-q', source, scratch('allowed'), '-F', 'raw');
  });

  it('a chain is held to the directory of the image that the user named', async () => {
    mkdirSync(scratch('elsewhere'), { recursive: true });
    qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', '../../secret.raw', '-F', 'raw', inside('sub/mid.qcow2'), '1M');
    const source = overlay('top.qcow2', 'sub/mid.qcow2', 'qcow2');
    const refused = await cli.run(['convert', '-O', 'raw', source, scratch('chain')]);
    expect(refused.stderr).toMatch(/^qemu-img: .*Could not open backing file: .*secret\.raw' .*--allow-external.*\n$/);
    expect(refused.code).toBe(1);
    expect((await cli.run(['convert', '--allow-external', '-O', 'raw', source, scratch('chain')])).code).toBe(0);
  });

  it('a data file, also of a target that exists', async () => {
    const image = inside('split.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${scratch('secret.data')}`, image, String(SIZE));
    qemuIo(image, 'qcow2', 'write -P 7 0 64k');
    for (const args of [
      ['convert', '-O', 'raw', image, scratch('split')],
      ['convert', '-n', '-O', 'qcow2', inside('plain.raw'), image],
    ]) {
      const refused = await cli.run(args);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/^qemu-img: Could not open .*secret\.data' .*--allow-external.*\n$/);
      expect(await cli.run([...args, '--allow-external'])).toMatchObject({ code: 0, stderr: '' });
    }
    qemuImg('compare', '-q', image, inside('plain.raw'));
  });

  it('what the user names lies where it will', async () => {
    const target = inside('new.qcow2');
    const backing = ['-o', `backing_file=${scratch('secret.raw')},backing_fmt=raw`];
    const outcome = await cli.run(['convert', '-O', 'qcow2', ...backing, scratch('secret.raw'), target]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
  });
});
