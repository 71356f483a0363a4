/** `measure`, beside `qemu-img`. */
import { beforeAll, expect, it } from 'vitest';
import { bothPrograms } from '../support/both-programs.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

describeWith(['qemu-img', 'qemu-io'], 'measure', () => {
  const file = scratchDirectory();
  const { ours, theirs } = bothPrograms(file);

  beforeAll(() => {
    qemuImg('create', '-q', '-f', 'raw', file('raw'), '1000');
    qemuImg('create', '-q', '-f', 'qcow2', file('base'), '60M');
    qemuIo(file('base'), 'qcow2', 'write 1M 100k', 'write 30M 1M');
    qemuImg('create', '-q', '-f', 'qcow2', '-b', file('base'), '-F', 'qcow2', file('image'), '100M');
    qemuIo(file('image'), 'qcow2', 'write 0 3M', 'write -z 30M 512k', 'write 99M 300k');
    qemuImg('snapshot', '-c', 'one', file('image'));
    qemuIo(file('image'), 'qcow2', 'write 50M 5M');
    for (const [name, granularity] of [
      ['fine', '512'],
      ['coarse', '2M'],
    ] as const)
      qemuImg('bitmap', '--add', '-g', granularity, file('image'), name);
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'compat=0.10', file('old'), '10M');
    qemuImg('convert', '-c', '-O', 'qcow2', file('image'), file('packed'));
    qemuImg('create', '-q', '-f', 'vdi', file('vdi'), '20M');
  });

  const SECRET = ['--object', 'secret,id=s,data=12345678'];

  it.each([
    [],
    ['--size', '1G'],
    ['--size', '0', '-O', 'qcow2'],
    ['--size', '1000'],
    ['--size', '7E'],
    ['--size', '9223372036854775807', '-O', 'raw'],
    ['--size', '1x', '-O', 'qcow2', 'image'],
    ['--size', '-1'],
    ['--size', '9E'],
    ['--size', '7E', '-O', 'qcow2'],
    ['--size', '1P', '-O', 'qcow2'],
    ['--size', '3P', '-O', 'qcow2', '-o', 'cluster_size=2M'],
    ['--size', '100G', '-O', 'qcow2', '-o', 'cluster_size=512'],
    ['--size', '100M', '-O', 'qcow2', '-o', 'cluster_size=512,refcount_bits=64'],
    ['--size', '1T', '-O', 'qcow2', '-o', 'refcount_bits=1'],
    ['--size', '1T', '-O', 'qcow2', '-o', 'extended_l2=on,cluster_size=2M'],
    ['--size', '1T', '-O', 'qcow2', '-o', 'preallocation=full'],
    ['--size', '1G', '-O', 'qcow2', '-o', 'preallocation=metadata'],
    ['--size', '1G', '-O', 'qcow2', '-o', 'encrypt.format=aes,encrypt.key-secret=s'],
    ['--size', '1G', '-O', 'qcow2', '-o', 'data_file=x,data_file_raw=on'],
    ['--size', '1G', '-o', 'preallocation=foo,nocow=on'],
    ['--size', '1G', '-O', 'luks'],
    ['--size', '1G', '-O', 'luks', '-o', 'key-secret=s'],
    ['--size', '1001', '-O', 'luks', '-o', 'key-secret=s', ...SECRET],
    [
      '--size',
      '1G',
      '-O',
      'luks',
      '-o',
      'key-secret=s,cipher-alg=aes-128,cipher-mode=cbc,preallocation=full',
      ...SECRET,
    ],
    ['--size', '1G', '-O', 'luks', '-o', 'key-secret=s,cipher-alg=foo', ...SECRET],
    ['--size', '1G', '-O', 'luks', '-o', 'key-secret=s,detached-header=on', ...SECRET],
    ['--size', '1G', '-O', 'qcow2', '-o', 'encrypt.format=luks'],
    ['--size', '1G', '-O', 'qcow2', '-o', 'encrypt.format=luks,encrypt.key-secret=s', ...SECRET],
    ['--size', '1', '-O', 'qcow2', '-o', 'cluster_size=3'],
    ['--size', '1', '-O', 'qcow2', '-o', 'extended_l2=on,cluster_size=4k'],
    ['--size', '1', '-O', 'qcow2', '-o', 'refcount_bits=3'],
    ['--size', '1', '-O', 'qcow2', '-o', 'compat=0.10,refcount_bits=8'],
    ['--size', '1', '-O', 'qcow2', '-o', 'compat=9'],
    ['--size', '1', '-O', 'qcow2', '-o', 'preallocation=foo'],
    ['--size', '1', '-O', 'qcow2', '-o', 'foo=1'],
    ['--size', '1', '-O', 'qcow2', '-o', 'size=1x'],
    ['--size', '1', '-O', 'vdi'],
    ['--size', '1', '-O', 'dmg'],
    ['--size', '1', '-O', 'nbd'],
    ['--size', '1', '-O', 'foo'],
    ['--size', '1', '-l', 'one'],
    ['--size', '1', '-f', 'raw'],
    ['--size', '1', '--image-opts'],
    ['--size', '1', 'image'],
    ['image', 'raw'],
    ['missing', '-O', 'foo'],
    ['-f', 'raw', 'raw'],
    ['-f', 'raw', '-O', 'qcow2', 'raw'],
    ['-f', 'raw', '-O', 'qcow2', '-l', 'one', 'raw'],
    ['image'],
    ['-O', 'qcow2', 'image'],
    ['-O', 'qcow2', '--output=json', 'image'],
    ['-O', 'qcow2', '--output=json', '--size', '5G'],
    ['-O', 'qcow2', '-o', 'size=5G,cluster_size=512', 'image'],
    ['-O', 'qcow2', '-o', 'cluster_size=2M', 'image'],
    ['-O', 'qcow2', '-o', 'compat=0.10', 'image'],
    ['-O', 'qcow2', '-o', 'preallocation=falloc', 'image'],
    ['-O', 'qcow2', '-o', 'backing_file=x,backing_fmt=raw', 'image'],
    ['-O', 'qcow2', '-l', 'one', 'image'],
    ['-O', 'qcow2', '--snapshot', 'snapshot.name=one', 'image'],
    ['-O', 'qcow2', '-l', 'missing', 'image'],
    ['-O', 'qcow2', '-U', '--image-opts', 'driver=qcow2,file.filename=image'],
    ['-O', 'qcow2', 'old'],
    ['-O', 'qcow2', 'packed'],
    ['-O', 'qcow2', 'vdi'],
    ['-O', 'luks', '-o', 'key-secret=s', ...SECRET, 'image'],
  ])('%s %s %s %s %s', async (...args) => {
    expect(await ours('measure', ...args)).toEqual(theirs('measure', ...args));
  });
});
