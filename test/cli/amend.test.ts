/** `amend`, judged by `qemu-img` doing the same to a copy. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { bothPrograms } from '../support/both-programs.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

const SECRETS = ['a', 'b', 'c'].flatMap((name) => ['--object', `secret,id=${name},data=key of ${name}`]);

describeWith(['qemu-img', 'qemu-io'], 'amend', () => {
  const file = scratchDirectory();
  const both = bothPrograms(file);

  /** Runs both programs on copies of `original`, which both know as `image`. */
  async function amendBoth(original: string, ...args: string[]) {
    copyFileSync(file(original), file('image'));
    const theirs = both.theirs('amend', ...args);
    const info = () => JSON.parse(qemuImg('info', '--output=json', file('image')))['format-specific'];
    const theirInfo = info();
    copyFileSync(file(original), file('image'));
    const ours = await both.ours('amend', ...args);
    return { ours, theirs, ourInfo: info(), theirInfo };
  }

  async function expectSame(original: string, ...args: string[]): Promise<void> {
    const { ours, theirs, ourInfo, theirInfo } = await amendBoth(original, ...args);
    expect(ours).toEqual(theirs);
    expect(ourInfo).toEqual(theirInfo);
  }

  function make(name: string, options: string, ...commands: string[]): void {
    qemuImg('create', '-q', '-f', 'qcow2', '-o', options, file(name), '8M');
    if (commands.length > 0) qemuIo(file(name), 'qcow2', ...commands);
  }

  it.each([
    'compat=0.10',
    'compat=v3',
    'compat=0.42',
    'compat',
    'lazy_refcounts=on',
    'lazy_refcounts',
    'lazy_refcounts=maybe',
    'refcount_bits=1',
    'refcount_bits=64',
    'refcount_bits=3',
    'refcount_bits=0',
    'refcount_bits=128',
    'compat=0.10,lazy_refcounts=on',
    'compat=0.10,refcount_bits=8',
    'size=foo',
    'size',
    'size=8M',
    'backing_file=x',
    'backing_fmt=raw',
    'data_file=x',
    'data_file_raw=on',
    'data_file_raw=off',
    'encrypt.state=active',
    'cluster_size=64k',
    'encryption=on',
    'preallocation=full',
    'compression_type=zstd',
    'nocow=on',
    'foo=1',
    'cluster_size=64k,foo=1',
    'compat=1.1,,x=2',
    '',
    'help',
    '?',
  ])('-o %s', async (options) => {
    make('v3', 'compat=1.1', 'write -P 1 0 1M', 'write -z 2M 1M');
    await expectSame('v3', '-p', '-f', 'qcow2', '-o', options, 'image');
  });

  it('from version 2', async () => {
    make('v2', 'compat=0.10', 'write -P 1 0 1M');
    for (const options of ['compat=1.1', 'compat=1.1,refcount_bits=4', 'refcount_bits=4', 'compat=0.10'])
      await expectSame('v2', '-p', '-o', options, 'image');
    await expectSame('v2', '-p', '-o', 'lazy_refcounts=on', 'image');
  });

  it('command lines that are wrong', async () => {
    make('v3', 'compat=1.1');
    for (const args of [
      ['image'],
      ['-o', 'compat=1.1'],
      ['-o', 'compat=1.1', 'image', 'another'],
      ['-o', 'help'],
      ['-f', 'foo', '-o', 'help'],
      ['-f', 'raw', '-o', 'help'],
      ['-f', 'luks', '-o', 'help'],
      ['-f', 'foo', '-o', 'compat=1.1', 'image'],
      ['-f', 'raw', '-o', 'compat=1.1', 'image'],
      ['-t', 'bogus', '-o', 'compat=1.1', 'image'],
      ['--image-opts', '-f', 'qcow2', '-o', 'compat=1.1', 'file.filename=image'],
      ['--image-opts', '-o', 'refcount_bits=8', 'driver=qcow2,file.filename=image'],
      ['-q', '-p', '-t', 'none', '-o', 'refcount_bits=8', '-o', 'lazy_refcounts=on', 'image'],
      ['-o', 'compat=1.1', 'missing'],
    ])
      await expectSame('v3', ...args);
  });

  it('features that version 2 does not have', async () => {
    make('extended', 'extended_l2=on', 'write -z 0 64k');
    make('narrow', 'refcount_bits=8');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${file('data')}`, file('external'), '8M');
    make('zstd', 'compression_type=zstd');
    make('plain', 'compat=1.1', 'write -P 1 0 1M');
    qemuImg('convert', '-c', '-O', 'qcow2', '-o', 'compression_type=zstd', file('plain'), file('packed'));
    for (const name of ['extended', 'narrow', 'external', 'zstd', 'packed'])
      await expectSame(name, '-p', '-o', 'compat=0.10', 'image');
    await expectSame('narrow', '-p', '-o', 'compat=0.10,refcount_bits=16', 'image');
  });

  it('an external data file gets another name, or none', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${file('data')},data_file_raw=on`, file('external'), '8M');
    for (const options of ['data_file=other', 'data_file=', 'data_file_raw=off', 'data_file_raw=on'])
      await expectSame('external', '-o', options, 'image');
  });

  it('a dirty image is repaired, and the repairs are told', async () => {
    make('dirty', 'lazy_refcounts=on');
    const commands = ['-c', 'write -P 1 0 128k', '-c', 'flush', '-c', 'abort'];
    spawnSync('qemu-io', ['-f', 'qcow2', ...commands, file('dirty')]);
    expect(JSON.parse(qemuImg('info', '--output=json', file('dirty')))['dirty-flag']).toBe(true);
    await expectSame('dirty', '-o', 'compat=0.10', 'image');
  });

  it('progress over several operations and snapshots', async () => {
    make('busy', 'cluster_size=4k', 'write -P 1 0 1M', 'write -z 2M 1M');
    qemuImg('snapshot', '-c', 'one', file('busy'));
    qemuIo(file('busy'), 'qcow2', 'write -P 2 512k 1M');
    for (const options of ['compat=0.10', 'refcount_bits=64', 'refcount_bits=1', 'refcount_bits=2'])
      await expectSame('busy', '-p', '-o', options, 'image');
  });

  it('another size, together with another version', async () => {
    const info = async (original: string, options: string) => {
      const { ours, theirs } = await amendBoth(original, '-p', '-o', options, 'image');
      expect(ours).toEqual(theirs);
      expect(qemuImg('check', file('image'))).toContain('No errors');
      return JSON.parse(qemuImg('info', '--output=json', file('image')));
    };
    make('plain', 'compat=1.1', 'write -P 1 0 8M');
    expect((await info('plain', 'size=16M'))['virtual-size']).toBe(16 << 20);
    expect((await info('plain', 'size=4M,compat=0.10'))['virtual-size']).toBe(4 << 20);
    expect((await info('plain', 'size=4000001'))['virtual-size']).toBe(8 << 20);
    qemuIo(file('image'), 'qcow2', 'read -P 1 0 8M');
    qemuImg('snapshot', '-c', 'one', file('plain'));
    expect((await info('plain', 'compat=0.10,size=16M'))['virtual-size']).toBe(16 << 20);
    make('v2', 'compat=0.10');
    qemuImg('snapshot', '-c', 'one', file('v2'));
    expect((await info('v2', 'size=16M'))['virtual-size']).toBe(8 << 20);
    expect((await info('v2', 'size=16M,compat=1.1'))['virtual-size']).toBe(16 << 20);
    qemuImg('create', '-q', '-f', 'raw', file('long'), '32M');
    qemuImg('create', '-q', '-f', 'qcow2', '-b', file('long'), '-F', 'raw', file('over'), '8M');
    qemuIo(file('long'), 'raw', 'write -P 7 0 32M');
    expect((await info('over', 'size=24M'))['virtual-size']).toBe(24 << 20);
    qemuIo(file('image'), 'qcow2', 'read -P 7 0 8M', 'read -P 0 8M 16M');
  });

  const luks = (secret: string) => ['--image-opts', `driver=luks,file.filename=image,key-secret=${secret}`];

  describe('key slots', () => {
    beforeAll(() => {
      qemuImg('create', '-q', ...SECRETS, '-f', 'luks', '-o', 'key-secret=a,iter-time=10', file('luks'), '1M');
    });

    it.each([
      'new-secret=b',
      'state=foo',
      'state=active',
      'state=active,new-secret=b,old-secret=a',
      'state=active,new-secret=x',
      'state=active,new-secret=b,keyslot=8',
      'state=active,new-secret=b,keyslot=-1',
      'state=active,new-secret=b,keyslot=0',
      'state=inactive,new-secret=b',
      'state=inactive,iter-time=3',
      'state=inactive',
      'state=inactive,keyslot=0',
      'state=inactive,keyslot=3',
      'state=inactive,keyslot=9',
      'state=inactive,keyslot=-1',
      'state=inactive,old-secret=a',
      'state=inactive,old-secret=b',
      'state=inactive,old-secret=x',
      'state=inactive,keyslot=0,old-secret=b',
      'secret=a,state=active',
      'cipher-alg=x',
      'size=1M',
      'keyslot=x,state=active',
    ])('-o %s is refused', async (options) => {
      copyFileSync(file('luks'), file('image'));
      const theirs = both.theirs('amend', ...SECRETS, ...luks('a'), '-o', options);
      expect(await both.ours('amend', ...SECRETS, ...luks('a'), '-o', options)).toEqual(theirs);
      expect(theirs.status).toBe(1);
    });

    const opens = (secret: string) => {
      const { status } = both.theirs('convert', ...SECRETS, ...luks(secret), '-O', 'raw', 'copy');
      return status === 0;
    };

    it('are added, overwritten and erased; without the key there is nothing', async () => {
      copyFileSync(file('luks'), file('image'));
      await both.succeeds('amend', ...SECRETS, ...luks('a'), '-o', 'state=active,new-secret=b,iter-time=10');
      await both.succeeds('amend', ...SECRETS, ...luks('b'), '-o', 'state=active,new-secret=c,keyslot=5,iter-time=10');
      expect(['a', 'b', 'c'].map(opens)).toEqual([true, true, true]);
      await both.succeeds('amend', ...SECRETS, ...luks('a'), '-o', 'state=inactive,old-secret=b');
      await both.succeeds('amend', ...SECRETS, ...luks('a'), '-o', 'state=inactive,keyslot=0');
      expect(['a', 'b', 'c'].map(opens)).toEqual([false, false, true]);
      const overwrite = ['-o', 'state=active,new-secret=a,keyslot=5,iter-time=10'];
      expect((await both.ours('amend', ...SECRETS, ...luks('c'), ...overwrite)).status).toBe(1);
      await both.succeeds('amend', ...SECRETS, ...luks('c'), ...overwrite, '--force');
      expect(['a', 'b', 'c'].map(opens)).toEqual([true, false, false]);
      await both.succeeds('amend', ...SECRETS, ...luks('a'), '-o', 'state=inactive,keyslot=5', '--force');
      expect(['a', 'b', 'c'].map(opens)).toEqual([false, false, false]);
    });

    it('of an encrypted qcow2 image', async () => {
      const options = 'encrypt.format=luks,encrypt.key-secret=a,encrypt.iter-time=10';
      qemuImg('create', '-q', ...SECRETS, '-f', 'qcow2', '-o', options, file('image'), '1M');
      const image = (secret: string) => [
        '--image-opts',
        `driver=qcow2,file.filename=image,encrypt.key-secret=${secret}`,
      ];
      const add = 'encrypt.state=active,encrypt.new-secret=b,encrypt.iter-time=10';
      await both.succeeds('amend', ...SECRETS, ...image('a'), '-o', add);
      await both.succeeds('amend', ...SECRETS, ...image('b'), '-o', 'encrypt.state=inactive,encrypt.old-secret=a');
      expect(both.theirs('convert', ...SECRETS, ...image('b'), '-O', 'raw', 'copy').status).toBe(0);
      expect(both.theirs('convert', ...SECRETS, ...image('a'), '-O', 'raw', 'copy').status).toBe(1);
    });
  });

  it('zeros of a shared L2 table do not overwrite what a snapshot holds', async () => {
    make('image', 'compat=1.1', 'write -P 5 0 128k');
    qemuImg('snapshot', '-c', 'one', file('image'));
    qemuIo(file('image'), 'qcow2', 'write -z 0 128k');
    await both.succeeds('amend', '-o', 'compat=0.10', 'image');
    expect(qemuImg('check', file('image'))).toContain('No errors');
    qemuIo(file('image'), 'qcow2', 'read -P 0 0 128k');
    qemuImg('snapshot', '-a', 'one', file('image'));
    qemuIo(file('image'), 'qcow2', 'read -P 5 0 128k');
  });

  it('random amendments of random images keep the content, and each step passes a check', async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const random = new Random(seed);
      const clusterSize = [512, 4096, 65536][random.below(3)]!;
      const write = () => {
        const [offset, length] = [512 * random.below(8000), 512 * (1 + random.below(500))];
        return random.below(3) === 0
          ? `write -z ${offset} ${length}`
          : `write -P ${random.below(9)} ${offset} ${length}`;
      };
      writeFileSync(file('base'), new Uint8Array(6 * 1024 * 1024).fill(9));
      const backing = random.below(2) === 0 ? [] : ['-b', file('base'), '-F', 'raw'];
      rmSync(file('image'), { force: true });
      qemuImg('create', '-q', '-f', 'qcow2', ...backing, '-o', `cluster_size=${clusterSize}`, file('image'), '8M');
      for (let step = 0; step < 4; step++) {
        qemuIo(file('image'), 'qcow2', write(), write(), write());
        if (random.below(2) === 0) qemuImg('snapshot', '-c', `s${step}`, file('image'));
      }
      const snapshots = /^\d/m.test(qemuImg('snapshot', '-l', file('image')));
      for (const name of snapshots ? ['', 'snapshot.id=1'] : [''])
        qemuImg('convert', ...(name ? ['-l', name] : []), '-O', 'raw', file('image'), file(`before ${name}`));
      for (let step = 0; step < 6; step++) {
        const options = ['compat=0.10', 'compat=1.1', `refcount_bits=${2 ** random.below(7)}`, 'lazy_refcounts=on'];
        const { status } = await both.ours('amend', '-o', options[random.below(4)]!, 'image');
        expect(status).toBeLessThanOrEqual(1);
        expect(qemuImg('check', file('image'))).toContain('No errors were found on the image.');
        for (const name of snapshots ? ['', 'snapshot.id=1'] : ['']) {
          qemuImg('convert', ...(name ? ['-l', name] : []), '-O', 'raw', file('image'), file('after'));
          expect(qemuImg('compare', '-f', 'raw', '-F', 'raw', file(`before ${name}`), file('after'))).toContain(
            'identical',
          );
        }
      }
    }
  }, 300_000);
});
