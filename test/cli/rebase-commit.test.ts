/**
 * `rebase` and `commit`, judged by what a disk held before and by `qemu-img` doing the same to a copy.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { builtCli } from '../support/built-cli.js';
import { describeWith } from '../support/judges.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

interface Layer {
  file: string;
  format: string;
  options?: string;
  size: number;
}

const MIB = 1024 * 1024;
const LENGTHS = [512, 4096, 65536, 300_032, 2 * MIB];

describeWith(['qemu-img', 'qemu-io'], 'backing chains', () => {
  const file = scratchDirectory();
  const cli = builtCli();

  async function diskloom(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await cli.run(args, { cwd: file('') });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    return stdout;
  }

  /** Data, zeros and zero clusters in random places. */
  function fill({ file: name, format, size }: Layer, random: Random, writes: number): void {
    const commands = Array.from({ length: writes }, () => {
      const offset = 512 * random.below(size / 512);
      const length = Math.min(size - offset, LENGTHS[random.below(LENGTHS.length)]!);
      return random.below(5) === 0 ? `write -z ${offset} ${length}` : `write -P ${random.below(4)} ${offset} ${length}`;
    });
    qemuIo(file(name), format, ...commands);
  }

  /** From the lowest layer up. */
  function makeChain(layers: readonly Layer[], seed: number): void {
    const random = new Random(seed);
    for (const [index, layer] of layers.entries()) {
      const below = layers[index - 1];
      const backing = below === undefined ? [] : ['-b', below.file, '-F', below.format];
      const options = layer.options === undefined ? [] : ['-o', layer.options];
      qemuImg('create', '-q', '-f', layer.format, ...options, ...backing, file(layer.file), String(layer.size));
      fill(layer, random, 5);
    }
  }

  function content(layer: Layer): Buffer {
    qemuImg('convert', '-f', layer.format, '-O', 'raw', file(layer.file), file('content'));
    return readFileSync(file('content'));
  }

  const TOPS: Omit<Layer, 'file'>[] = [
    { format: 'qcow2', size: 5 * MIB },
    { format: 'qcow2', options: 'cluster_size=512', size: 8 * MIB - 1536 },
    { format: 'qcow2', options: 'extended_l2=on,cluster_size=128k', size: 3 * MIB },
    { format: 'qcow2', options: 'compat=0.10', size: 5 * MIB },
    { format: 'qed', size: 5 * MIB },
  ];

  describe.each(TOPS)('rebase of $format, $options', (kind) => {
    const base: Layer = { file: 'base', format: 'raw', size: 4 * MIB };
    const mid: Layer = { file: 'mid', format: 'qcow2', size: 3 * MIB + 512 };
    const top: Layer = { file: 'top', ...kind };

    it.each([
      ['to another file', 'other', 'qcow2', []],
      ['to the file below its backing file', 'base', 'raw', []],
      ['to the file that it has', 'mid', 'qcow2', []],
      ['to none', '', null, []],
      ['to none, compressed', '', null, ['-c']],
    ])('%s', async (_, name, format, more) => {
      if (more.length > 0 && kind.format !== 'qcow2') return;
      makeChain([base, mid, top], 1);
      makeChain([{ file: 'other', format: 'qcow2', size: 6 * MIB }], 2);
      const before = content(top);
      await diskloom('rebase', '-b', name, ...(format === null ? [] : ['-F', format]), ...more, 'top');
      qemuImg('check', '-q', file('top'));
      expect(content(top).equals(before)).toBe(true);
      const { 'backing-filename': backing } = JSON.parse(qemuImg('info', '--output=json', file('top')).toString());
      expect(backing ?? '').toBe(name);
    });

    it('-u: the name and nothing else', async () => {
      makeChain([base, mid, top], 3);
      const { size } = statSync(file('top'));
      await diskloom('rebase', '-u', '-b', 'nowhere', '-F', 'raw', 'top');
      expect(statSync(file('top')).size).toBe(size);
      await diskloom('rebase', '-u', '-b', 'base', '-F', 'raw', 'top');
      await diskloom('rebase', '-u', '-b', 'mid', '-F', 'qcow2', 'top');
      makeChain([base, mid, { ...top, file: 'same' }], 3);
      expect(content(top).equals(content({ ...top, file: 'same' }))).toBe(true);
    });
  });

  it.each([
    [['-b', 'base', 'top'], "Could not change the backing file to 'base': backing format must be specified"],
    [['-b', 'base', '-F', 'foo', 'top'], "Invalid format name: 'foo'"],
    [['-c', '-b', '', 'base'], 'Compression not supported for this file format'],
    [['-u', '-b', 'x'.repeat(1100), '-F', 'raw', 'top'], "Could not change the backing file to 'x+': Invalid argument"],
    [
      ['-b', 'missing', '-F', 'raw', 'top'],
      "Could not open new backing file 'missing': Could not open '.*missing': No",
    ],
    [['-u', '-t', 'bad', 'top'], 'Invalid cache option: bad'],
  ])('rebase %j is refused as qemu-img refuses it', async (args, message) => {
    makeChain([{ file: 'base', format: 'qed', size: MIB }], 1);
    makeChain([{ file: 'top', format: 'qcow2', size: MIB }], 1);
    const { code, stderr } = await cli.run(['rebase', ...args], { cwd: file('') });
    const judge = spawnSync('qemu-img', ['rebase', ...args], { encoding: 'utf8', cwd: file('') });
    expect({ code, stderr }).toEqual({ code: judge.status, stderr: judge.stderr });
    expect(stderr).toMatch(new RegExp(message));
  });

  const CHAINS: [base: Omit<Layer, 'file'>, mid: Omit<Layer, 'file'>, top: Omit<Layer, 'file'>][] = [
    [
      { format: 'raw', size: 5 * MIB },
      { format: 'qcow2', size: 5 * MIB },
      { format: 'qcow2', size: 3 * MIB },
    ],
    [
      { format: 'qcow2', options: 'extended_l2=on', size: 8 * MIB - 1536 },
      { format: 'qed', size: 5 * MIB },
      { format: 'qcow2', options: 'compat=0.10', size: 5 * MIB },
    ],
    [
      { format: 'qcow2', options: 'compat=0.10', size: 5 * MIB },
      { format: 'qcow2', options: 'cluster_size=512', size: 5 * MIB },
      { format: 'qcow', size: 5 * MIB },
    ],
  ];

  describe.each(CHAINS)('commit: %j under %j under %j', (...kinds) => {
    const layers = kinds.map((kind, index): Layer => ({ file: ['base', 'mid', 'top'][index]!, ...kind }));

    it.each([[[]], [['-d']], [['-b', 'base']], [['-b', 'mid']]])('%j', async (args) => {
      makeChain(layers, 4);
      const top = layers[2]!;
      for (const name of ['base', 'mid', 'top']) copyFileSync(file(name), file(`${name}.before`));
      expect(await diskloom('commit', ...args, '-f', top.format, 'top')).toBe('Image committed.\n');
      const ours = layers.map((layer) => [content(layer), statSync(file(layer.file)).size] as const);
      for (const { format, file: name } of layers)
        if (['qcow2', 'qed'].includes(format)) qemuImg('check', '-q', '-f', format, file(name));
      for (const name of ['base', 'mid', 'top']) copyFileSync(file(`${name}.before`), file(name));
      qemuImg('commit', '-q', ...args, '-f', top.format, file('top'));
      for (const [index, layer] of layers.entries()) expect(content(layer).equals(ours[index]![0])).toBe(true);
      // emptied or not
      expect(ours[2]![1]).toBe(statSync(file('top')).size);
    });
  });

  it.each([
    [['base'], 'Image does not have a backing file'],
    [['-b', 'other', 'top'], "Did not find 'other' in the backing chain of 'top'"],
    [['missing'], 'No such file or directory'],
  ])('commit %j is refused as qemu-img refuses it', async (args, message) => {
    makeChain(
      [
        { file: 'base', format: 'qcow2', size: MIB },
        { file: 'top', format: 'qcow2', size: MIB },
      ],
      5,
    );
    const { code, stdout, stderr } = await cli.run(['commit', ...args], { cwd: file('') });
    const judge = spawnSync('qemu-img', ['commit', ...args], { encoding: 'utf8', cwd: file('') });
    expect({ code, stdout, stderr }).toEqual({ code: judge.status, stdout: judge.stdout, stderr: judge.stderr });
    expect(stderr).toContain(message);
  });

  it.each(['qcow2 compat=0.10', 'qcow2 compat=1.1', 'qcow2 extended_l2=on', 'qed '])(
    'rebase of an image of zeros without a backing file, %s: they hide the new one',
    async (kind) => {
      const [format, options] = kind.split(' ');
      qemuImg('create', '-q', file('below.raw'), '300k');
      qemuIo(file('below.raw'), 'raw', 'write -P 9 0 200k');
      qemuImg('create', '-q', '-f', format!, ...(options === '' ? [] : ['-o', options!]), file('zeros'), '301k');
      await diskloom('rebase', '-f', format!, '-b', 'below.raw', '-F', 'raw', 'zeros');
      qemuImg('check', '-q', '-f', format!, file('zeros'));
      qemuImg('convert', '-f', format!, '-O', 'raw', file('zeros'), file('zeros.raw'));
      expect(readFileSync(file('zeros.raw')).every((byte) => byte === 0)).toBe(true);
    },
  );

  it('commit of a shorter disk keeps what lies behind its end in the same cluster', async () => {
    qemuImg('create', '-q', file('deep.raw'), '200k');
    qemuIo(file('deep.raw'), 'raw', 'write -P 9 0 200k');
    for (const directory of ['ours', 'judged']) {
      const image = (name: string) => file(`${name}-${directory}`);
      qemuImg(
        'create',
        '-q',
        '-f',
        'qcow2',
        '-o',
        'cluster_size=8k',
        '-b',
        file('deep.raw'),
        '-F',
        'raw',
        image('mid'),
      );
      qemuImg('create', '-q', '-f', 'qcow2', '-b', image('mid'), '-F', 'qcow2', image('short'), '86k');
      qemuIo(image('short'), 'qcow2', 'write -P 5 80k 6k');
    }
    await diskloom('commit', '-q', 'short-ours');
    qemuImg('commit', '-q', file('short-judged'));
    qemuImg('compare', '-s', file('mid-ours'), file('mid-judged'));
  });
});
