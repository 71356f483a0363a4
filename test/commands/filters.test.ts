/** Filter nodes on the command line: what `qemu-img` says of them, and what fails through them. */
import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { bothPrograms } from '../support/both-programs.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

const QUORUM = 'driver=quorum,children.0.file.filename=one.raw,children.1.file.filename=two.raw';

describeWith(['qemu-img', 'qemu-io'], 'filters', () => {
  const scratch = scratchDirectory();
  const { ours, theirs } = bothPrograms(scratch);

  beforeAll(() => {
    qemuImg('create', '-q', '-f', 'qcow2', scratch('base.qcow2'), '1M');
    qemuIo(scratch('base.qcow2'), 'qcow2', 'write -P 7 0 256k');
    qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', scratch('top.qcow2'));
    for (const name of ['one.raw', 'two.raw']) writeFileSync(scratch(name), new Uint8Array(65536).fill(1));
    writeFileSync(scratch('longer.raw'), new Uint8Array(131072));
    writeFileSync(scratch('reads'), '# reading fails\n[inject-error]\nevent = "read_aio"\nerrno = "5"\nonce ="off"\n');
    writeFileSync(scratch('early'), 'event = "read_aio"\n');
    writeFileSync(scratch('other'), '[suspend]\nevent = "read_aio"\n');
    writeFileSync(scratch('unknown'), '[inject-error]\nfoo = "read_aio"\n');
    writeFileSync(scratch('number'), '[inject-error]\nevent = "none"\nerrno = "x"\n');
    writeFileSync(scratch('empty'), '[set-state]\n');
  });

  const sameAsTheirs = async (...args: string[]) => expect(await ours(...args)).toEqual(theirs(...args));

  describe('are told of by info as qemu-img tells', () => {
    it.each([
      ['blkdebug:reads:base.qcow2'],
      ['blkdebug::top.qcow2'],
      ['--image-opts', 'driver=blkdebug,image.filename=top.qcow2'],
      ['--image-opts', 'driver=blkdebug,image.driver=qcow2,image.file.filename=top.qcow2'],
      [
        'json:{"driver":"qcow2","file":{"driver":"blkdebug","align":512,"image":{"driver":"file","filename":"top.qcow2"},' +
          '"inject-error":[{"event":"l2_load","errno":5,"once":true}],"set-state":[{"event":"none","new_state":2}]}}',
      ],
      ['--image-opts', `${QUORUM},vote-threshold=2`],
      ['blkverify:one.raw:two.raw'],
      ['--image-opts', 'driver=null-aio,size=1M'],
      ['null-aio://'],
    ])('%s %s', async (...name) => {
      await sameAsTheirs('info', '--output=json', ...name);
      await sameAsTheirs('info', ...name);
    });
  });

  describe('are refused as by qemu-img', () => {
    const image = 'driver=blkdebug,image.filename=one.raw';
    it.each([
      ['blkdebug:x'],
      ['blkdebug:nothing:one.raw'],
      ['blkdebug::nothing'],
      ['blkdebug:early:one.raw'],
      ['blkdebug:other:one.raw'],
      ['blkdebug:unknown:one.raw'],
      ['blkdebug:number:one.raw'],
      ['blkdebug:empty:one.raw'],
      ['blkverify:one.raw'],
      ['null-aio:x'],
      ['--image-opts', 'driver=blkdebug'],
      ['--image-opts', 'driver=blkdebug,image=x'],
      ['--image-opts', `${image},foo=1`],
      ['--image-opts', `${image},align=3`],
      ['--image-opts', `${image},align=512,max-transfer=100`],
      ['--image-opts', `${image},inject-error.0.errno=5`],
      ['--image-opts', `${image},inject-error.0.event=foo`],
      ['--image-opts', `${image},inject-error.0.event=none,inject-error.0.iotype=foo`],
      ['--image-opts', `${image},inject-error.0.event=none,inject-error.0.foo=1`],
      ['--image-opts', `${image},inject-error.0.event=none,inject-error.0.once=maybe`],
      ['--image-opts', 'driver=quorum,vote-threshold=1'],
      ['--image-opts', QUORUM],
      ['--image-opts', `${QUORUM},vote-threshold=3`],
      ['--image-opts', `${QUORUM},vote-threshold=2,read-pattern=x`],
      ['--image-opts', `${QUORUM},vote-threshold=2,blkverify=on,rewrite-corrupted=on`],
      ['--image-opts', `${QUORUM},vote-threshold=2,children.2.file.filename=longer.raw`],
      ['--image-opts', `${QUORUM},vote-threshold=2,children.3.file.filename=one.raw`],
      ['--image-opts', 'driver=copy-on-read,file.filename=one.raw'],
      ['--image-opts', 'driver=throttle,file.filename=one.raw'],
      ['--image-opts', 'driver=throttle,file.filename=one.raw,throttle-group=t0'],
    ])('%s %s', async (...name) => {
      const result = await ours('info', ...name);
      expect(result).toEqual(theirs('info', ...name));
      expect(result.status).toBe(1);
    });
  });

  it('fail where the rules say so', async () => {
    await sameAsTheirs('convert', 'blkdebug:reads:base.qcow2', 'out.raw');
    await sameAsTheirs('compare', 'blkdebug:reads:base.qcow2', 'base.qcow2');
    await sameAsTheirs('compare', 'blkdebug:reads:base.qcow2', 'one.raw');
  });

  it('do not hide the backing file', async () => {
    const name = 'json:{"driver":"qcow2","file":{"driver":"blkdebug","image.filename":"top.qcow2","align":512}}';
    await sameAsTheirs('info', name);
    await sameAsTheirs('compare', name, 'base.qcow2');
    await sameAsTheirs(
      'compare',
      '--image-opts',
      'driver=blkdebug,image.driver=qcow2,image.file.filename=top.qcow2',
      'driver=qcow2,file.filename=base.qcow2',
    );
  });

  it('have no directory if they have several children', async () => {
    const name =
      'json:{"driver":"qcow2","file":{"driver":"quorum","vote-threshold":1,"children":[' +
      '{"driver":"file","filename":"top.qcow2"},{"driver":"file","filename":"top.qcow2"}]}}';
    await sameAsTheirs('info', name);
  });

  it('are not created', async () => {
    await sameAsTheirs('create', '-f', 'qcow2', 'blkdebug::x.qcow2', '1M');
    await sameAsTheirs('convert', 'one.raw', 'blkdebug::x.raw');
  });

  it('are written through', async () => {
    writeFileSync(scratch('target.raw'), new Uint8Array(65536));
    const target = 'driver=blkdebug,align=512,image.filename=target.raw';
    expect(await ours('convert', '-n', '--target-image-opts', 'one.raw', target)).toMatchObject({
      status: 0,
      stderr: '',
    });
    await sameAsTheirs('compare', 'target.raw', 'one.raw');
  });

  it('tell of all damage that --salvage passes, in order, as qemu-img does', async () => {
    const rule = (iotype: string, sector: number) => ({ event: 'none', iotype, errno: 5, sector });
    const faults = [rule('block-status', 20), rule('read', 24), rule('read', 100), rule('block-status', 100)];
    const image = { driver: 'raw', file: { driver: 'file', filename: 'one.raw' } };
    const name = `json:${JSON.stringify({ driver: 'blkdebug', image, 'inject-error': faults })}`;
    const result = await ours('convert', '--salvage', name, 'salvaged.raw');
    // With several coroutines its lines come as they may.
    expect(result).toEqual(theirs('convert', '-m', '1', '--salvage', name, 'theirs.raw'));
    expect(result.stderr.split('\n').length).toBe(7);
    await sameAsTheirs('compare', 'salvaged.raw', 'theirs.raw');
  });
});

describeWith(['qemu-img', 'qemu-io'], 'a commit that fails', () => {
  const scratch = scratchDirectory();
  const { ours } = bothPrograms(scratch);

  it('into the backing file, which blkdebug guards, leaves the image as it is', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', scratch('base'), '1M');
    const base = `json:{"driver":"qcow2","file":{"driver":"blkdebug","inject-error":[{"event":"write_aio","errno":28,"once":true}],"image":{"driver":"file","filename":"${scratch('base')}"}}}`;
    qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', scratch('top'));
    qemuIo(scratch('top'), 'qcow2', 'write -P 3 0 64k');
    const result = await ours('commit', 'top');
    expect(result).toMatchObject({ status: 1, stderr: 'qemu-img: Block job failed: No space left on device\n' });
    expect(qemuIo(scratch('top'), 'qcow2', 'read -P 3 0 64k')).toContain('read 65536');
  });

  it.each(['l1_update', 'empty_image_prepare', 'reftable_update', 'refblock_alloc'])(
    'in emptying the image at %s leaves one that a check repairs',
    async (event) => {
      qemuImg('create', '-q', '-f', 'qcow2', scratch('base'), '1M');
      qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base', '-F', 'qcow2', scratch('top'));
      qemuIo(scratch('top'), 'qcow2', 'write -P 3 0 64k');
      writeFileSync(scratch('rules'), `[inject-error]\nevent = "${event}"\n`);
      const result = await ours('commit', 'blkdebug:rules:top');
      expect(result.stderr).toBe('qemu-img: Failed to empty blkdebug:rules:top: Input/output error\n');
      qemuIo(scratch('base'), 'qcow2', 'read -P 3 0 64k');
      qemuIo(scratch('top'), 'qcow2', 'read -P 3 0 64k');
      expect(qemuImg('check', scratch('top'))).toContain('No errors were found');
    },
  );
});

describeWith(['qemu-img', 'qemu-io'], 'a snapshot whose clusters cannot be freed', () => {
  const scratch = scratchDirectory();
  const { ours, theirs } = bothPrograms(scratch);

  it('is gone, and leaves the same leaks as with qemu-img', async () => {
    writeFileSync(scratch('rules'), '[inject-error]\nevent = "cluster_free"\n');
    for (const name of ['disk', 'judged']) {
      qemuImg('create', '-q', '-f', 'qcow2', scratch(name), '64M');
      qemuIo(scratch(name), 'qcow2', 'write 0 64k');
      qemuImg('snapshot', '-c', 'one', scratch(name));
    }
    const result = await ours('snapshot', '-d', 'one', 'blkdebug:rules:disk');
    expect(result).toEqual(theirs('snapshot', '-d', 'one', 'blkdebug:rules:judged'));
    expect(result.status).toBe(1);
    expect(qemuImg('snapshot', '-l', scratch('disk'))).toBe('');
    const check = (name: string) => theirs('check', name);
    expect(check('disk')).toEqual(check('judged'));
  });
});
