/** Packed images on the command line. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { bothPrograms } from '../support/both-programs.js';
import { builtCli } from '../support/built-cli.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';
import { ovfOf, tarOf } from '../unpack/tar-builder.js';

describeWith(['qemu-img', 'qemu-io'], 'packed images', () => {
  const scratch = scratchDirectory();
  const { ours, succeeds } = bothPrograms(scratch);
  const cli = builtCli();

  function makeFiles(): void {
    qemuImg('create', '-q', '-f', 'qcow2', scratch('disk.qcow2'), '8M');
    qemuIo(scratch('disk.qcow2'), 'qcow2', 'write -P 7 1M 100k');
    const image = readFileSync(scratch('disk.qcow2'));
    writeFileSync(scratch('packed'), gzipSync(image));
    const descriptor = { name: 'vm.ovf', content: ovfOf({ disk: 'd.vmdk' }, ['disk']) };
    writeFileSync(scratch('vm.ova'), tarOf(descriptor, { name: 'd.vmdk', content: image }, { name: 'other.img' }));
  }

  it('are read as what they hold, whatever they are called', async () => {
    makeFiles();
    for (const name of ['packed', 'vm.ova']) {
      expect(await succeeds('compare', name, 'disk.qcow2')).toBe('Images are identical.\n');
      expect(await succeeds('info', name)).toContain(`image: ${name}\nfile format: qcow2\nvirtual size: 8 MiB`);
      expect(await succeeds('map', '--output=json', name)).toBe(await succeeds('map', '--output=json', 'disk.qcow2'));
      await succeeds('convert', '-O', 'raw', name, 'out.raw');
      expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', scratch('out.raw'), scratch('disk.qcow2'))).toContain(
        'ident',
      );
      await succeeds('dd', '-f', 'qcow2', '-O', 'raw', 'bs=1M', 'skip=1', 'count=2', `if=${name}`, 'of=part.raw');
      expect(
        readFileSync(scratch('part.raw')).equals(readFileSync(scratch('out.raw')).subarray(1 << 20, 2 << 20)),
      ).toBe(true);
    }
  });

  it('are raw disks for those who say so', async () => {
    makeFiles();
    await succeeds('convert', '-f', 'raw', '-O', 'raw', 'packed', 'out.raw');
    const packed = readFileSync(scratch('packed'));
    expect(readFileSync(scratch('out.raw')).subarray(0, packed.length).equals(packed)).toBe(true);
  });

  it('leave nothing in the place where they are unpacked', async () => {
    makeFiles();
    mkdirSync(scratch('tmp'));
    const env = { ...process.env, TMPDIR: scratch('tmp') };
    expect(await cli.run(['info', scratch('packed')], { env })).toMatchObject({ code: 0 });
    expect(readdirSync(scratch('tmp'))).toEqual([]);
    const missing = { ...process.env, TMPDIR: scratch('none') };
    const outcome = await cli.run(['info', scratch('packed')], { env: missing });
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/^qemu-img: Could not open '.*packed': No such file or directory\n$/);
  });

  it('are refused in one line, and no target is left', async () => {
    makeFiles();
    writeFileSync(scratch('cut'), readFileSync(scratch('packed')).subarray(0, 300));
    const convert = (...args: string[]) => ours('convert', '-O', 'raw', ...args, 'never.raw');
    const stderr = (why: string) => ({ status: 1, stderr: `qemu-img: Could not open ${why}\n` });
    const cut = "'cut': Could not decompress: the gzip stream is damaged: unexpected end of file";
    expect(await convert('cut')).toMatchObject(stderr(cut));
    const limit = "'packed': It unpacks to more than 1000 bytes; use --unpack-limit to allow more";
    expect(await convert('--unpack-limit', '1000', 'packed')).toMatchObject(stderr(limit));
    const member = "'vm.ova': The archive has no file 'x'";
    expect(await convert('--member', 'x', 'vm.ova')).toMatchObject(stderr(member));
    expect(readdirSync(scratch(''))).not.toContain('never.raw');
  });
});
