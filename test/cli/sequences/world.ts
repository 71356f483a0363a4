/**
 * A directory of images that diskloom changes, its twin that `qemu-img` changes by the same command lines, and the model.
 *
 * The images: `base.raw`; `mid.qcow2` over it; `other`; and `top.qcow2`, which everything happens to.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ProgramResult } from '../../support/both-programs.js';
import { runInline } from '../../support/inline-cli.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import type { Random } from '../../support/random.js';
import { type ModelBitmap, ModelLayer } from './model.js';

/** Ways in which the qcow2 images of a world are made, with the unit of their allocation. */
export const KINDS = [
  { options: 'cluster_size=64k', unit: 65536 },
  { options: 'cluster_size=4k', unit: 4096 },
  { options: 'cluster_size=512,refcount_bits=8', unit: 512 },
  { options: 'cluster_size=16k,extended_l2=on', unit: 512 },
  { options: 'cluster_size=4k,compat=0.10', unit: 4096 },
  { options: 'cluster_size=8k,lazy_refcounts=on,refcount_bits=32', unit: 8192 },
] as const;

const KIB = 1024;
const TOP = 'top.qcow2';

export class World {
  readonly base: ModelLayer;
  mid: ModelLayer;
  readonly other: ModelLayer;
  readonly top: ModelLayer;
  readonly clusterSize: number;
  /** Of the top image. */
  #version: 2 | 3 = 3;
  /** What happened, for the message of a failure. */
  readonly log: string[] = [];

  constructor(
    private readonly directory: string,
    private readonly random: Random,
  ) {
    for (const each of [this.#ours, this.#twin]) {
      rmSync(each, { recursive: true, force: true });
      mkdirSync(each, { recursive: true });
    }
    // What has to grow by a commit is not of version 2, in which `qemu-img` cannot write zeros over its backing file.
    const [first, second] = [this.pick(KINDS), this.pick(KINDS.filter(({ options }) => !options.includes('0.10')))];
    this.clusterSize = clusterOf(first.options);
    if (first.options.includes('compat=0.10')) this.#version = 2;
    this.base = this.#make('base.raw', 'raw', '', 512, null, this.#size());
    this.mid = this.#make('mid.qcow2', 'qcow2', second.options, second.unit, this.base, this.#size());
    this.other = this.#make('other.qcow2', 'qcow2', '', 65536, null, this.#size());
    this.top = this.#make(TOP, 'qcow2', first.options, first.unit, this.mid, this.#size());
    for (const layer of [this.base, this.mid, this.other]) for (let n = 0; n < 3; n++) this.#write(layer);
    if (this.random.below(2) === 0) {
      this.#snapshotMid('kept');
      this.#write(this.mid);
    }
  }

  get #ours(): string {
    return join(this.directory, 'ours');
  }

  get #twin(): string {
    return join(this.directory, 'twin');
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)]!;
  }

  #size(): number {
    return (64 + this.random.below(512)) * KIB + (this.random.below(3) === 0 ? 512 : 0);
  }

  /** By `qemu-img`, in both places. */
  #make(
    file: string,
    format: string,
    options: string,
    unit: number,
    backing: ModelLayer | null,
    size: number,
  ): ModelLayer {
    const above = backing === null ? [] : ['-b', backing.file, '-F', backing.format];
    const how = options === '' ? [] : ['-o', options];
    for (const cwd of [this.#ours, this.#twin]) {
      const args = ['create', '-q', '-f', format, ...how, ...above, file, String(size)];
      const { status, stderr } = spawnSync('qemu-img', args, { cwd, encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
    }
    this.log.push(`create ${file} ${options} ${above.join(' ')} ${size}`);
    return new ModelLayer(file, format, unit, size, backing);
  }

  #snapshotMid(name: string): void {
    for (const at of [this.#ours, this.#twin]) qemuImg('snapshot', '-c', name, join(at, this.mid.file));
    this.mid.takeSnapshot(name);
    this.log.push(`snapshot -c ${name} mid`);
  }

  /** A guest's write, by `qemu-io`, in both places. */
  #write(layer: ModelLayer): void {
    const [first, last] = [this.random.below(layer.size / 512), this.random.below(layer.size / 512)].sort(
      (a, b) => a - b,
    );
    let [offset, end] = [first! * 512, Math.min(last! * 512 + 512, first! * 512 + 96 * KIB)];
    const how = layer.format === 'raw' ? 'data' : this.pick(['data', 'data', 'data', 'zero', 'unmap', 'packed']);
    if (how === 'packed') {
      offset -= offset % this.clusterSize;
      end = offset + this.clusterSize;
      if (layer !== this.top || end > layer.size) return;
    }
    const pattern = 1 + this.random.below(255);
    const flags = { data: `-P ${pattern}`, zero: '-z', unmap: '-z -u', packed: `-c -P ${pattern}` }[how]!;
    const command = `write ${flags} ${offset} ${end - offset}`;
    for (const at of [this.#ours, this.#twin]) {
      // A cluster that is there already cannot be replaced by a compressed one.
      const isDone = how === 'packed' && canWrite(join(at, layer.file), command);
      if (!isDone) qemuIo(join(at, layer.file), layer.format, command.replace('-c ', ''));
    }
    const isData = how === 'data' || how === 'packed';
    layer.write(offset, new Uint8Array(end - offset).fill(isData ? pattern : 0));
    this.log.push(`${layer.file}: ${command}`);
  }

  /** The same line for both programs, which have to answer alike; whether it was done. */
  async #both(...args: string[]): Promise<boolean> {
    this.log.push(args.join(' '));
    const ours = masked(await runInline(this.#ours, ...args));
    const { status, stdout, stderr } = spawnSync('qemu-img', args, { cwd: this.#twin, encoding: 'utf8' });
    const theirs = masked({ status, stdout, stderr });
    expect(ours, this.story()).toEqual(theirs);
    if (ours.status !== 0) this.log.push(`  refused: ${ours.stderr.trim()}`);
    return ours.status === 0;
  }

  story(): string {
    return this.log.join('\n');
  }

  /** One thing happens. */
  async step(): Promise<void> {
    const kinds = [
      ...['write', 'write', 'write', 'write', 'snapshot', 'apply', 'delete', 'resize', 'rebase', 'rename'],
      ...['commit', 'commit base', 'amend', 'bitmap', 'bitmap', 'bitmap'],
    ] as const;
    switch (this.pick(kinds)) {
      case 'write':
        return this.#write(this.top);
      case 'snapshot':
        return this.#snapshot();
      case 'apply':
        return this.#apply();
      case 'delete':
        return this.#delete();
      case 'resize':
        return this.#resize();
      case 'rebase':
        return this.#rebase();
      case 'rename':
        return this.#rename();
      case 'commit':
        return this.#commit();
      case 'commit base':
        return this.#commitToBase();
      case 'amend':
        return this.#amend();
      case 'bitmap':
        return this.#bitmap();
    }
  }

  async #snapshot(): Promise<void> {
    if (this.top.snapshots.length >= 3) return;
    const name = `s${this.log.length}`;
    if (await this.#both('snapshot', '-c', name, TOP)) this.top.takeSnapshot(name);
  }

  async #apply(): Promise<void> {
    const known = this.top.snapshots.filter(({ isLost }) => !isLost);
    if (known.length === 0) return;
    const snapshot = this.pick(known);
    if (await this.#both('snapshot', '-a', snapshot.name, TOP)) {
      this.top.applySnapshot(snapshot);
      this.#fitBitmaps();
    }
  }

  async #delete(): Promise<void> {
    if (this.top.snapshots.length === 0) return;
    const { name } = this.pick(this.top.snapshots);
    if (await this.#both('snapshot', '-d', name, TOP))
      this.top.snapshots = this.top.snapshots.filter((each) => each.name !== name);
  }

  async #resize(): Promise<void> {
    const size = this.#size();
    const { top } = this;
    // There diskloom writes zeros over what the backing file would show, and `qemu-img` refuses.
    if (this.#version === 2 && size > top.size && (top.backing?.size ?? 0) > top.size) return;
    if (!(await this.#both('resize', '--shrink', TOP, String(size)))) return;
    this.top.resize(size);
    this.#fitBitmaps();
  }

  /** A bitmap knows nothing of what is no more. */
  #fitBitmaps(): void {
    for (const { marks, granularity } of this.top.bitmaps)
      for (const mark of [...marks]) if (mark * granularity >= this.top.size) marks.delete(mark);
  }

  async #rebase(): Promise<void> {
    const target = this.pick([this.mid, this.base, this.other, null]);
    const names = target === null ? ['-b', ''] : ['-b', target.file, '-F', target.format];
    if (!(await this.#both('rebase', ...names, TOP))) return;
    this.top.rebase(target);
    // What is copied is no change of the disk; which granules it touches is up to the program.
    for (const bitmap of this.top.bitmaps) bitmap.marks = marksOf(join(this.#ours, TOP), bitmap, this.top.size);
  }

  /** -u, to the same file. */
  async #rename(): Promise<void> {
    const { backing } = this.top;
    if (backing === null) return;
    await this.#both('rebase', '-u', '-b', `./${backing.file}`, '-F', backing.format, TOP);
  }

  async #commit(): Promise<void> {
    const { backing } = this.top;
    const keeps = this.random.below(3) === 0;
    if (!(await this.#both('commit', ...(keeps ? ['-d'] : []), TOP)) || backing === null) return;
    this.top.commitInto(backing);
    if (!keeps) this.top.empty();
    this.#changed(backing);
    await this.#learnMarks();
  }

  /** Through the image between, which is worth nothing afterwards and is made anew. */
  async #commitToBase(): Promise<void> {
    if (this.top.backing !== this.mid) return;
    if (!(await this.#both('commit', '-b', this.base.file, TOP))) return;
    this.top.commitInto(this.base);
    expect(await this.#both('rebase', '-u', '-b', this.base.file, '-F', 'raw', TOP), this.story()).toBe(true);
    const disk = this.top.content();
    this.top.backing = this.base;
    if (Buffer.compare(this.top.content(), disk) !== 0) throw new Error('the base is not what was committed');
    this.top.isCertain = false;
    this.#changed(this.base);
    this.mid = this.#make('mid.qcow2', 'qcow2', 'cluster_size=4k', 4096, this.base, this.#size());
    await this.#learnMarks();
  }

  /** `layer` holds something else: those above it may show something else. */
  #changed(layer: ModelLayer): void {
    for (const each of [this.mid, this.top])
      for (let below = each.backing; below !== null; below = below.backing) if (below === layer) each.beneathChanged();
  }

  async #amend(): Promise<void> {
    const choices = ['compat=1.1', 'lazy_refcounts=on', 'lazy_refcounts=off', 'refcount_bits=16', 'refcount_bits=64'];
    // Both programs leave the bitmaps of an image that is made one of version 2 behind, as leaked clusters.
    if (this.top.bitmaps.length === 0) choices.push('compat=0.10', 'refcount_bits=8');
    const choice = this.pick(choices);
    if ((await this.#both('amend', '-o', choice, TOP)) && choice.startsWith('compat'))
      this.#version = choice === 'compat=0.10' ? 2 : 3;
  }

  async #bitmap(): Promise<void> {
    const { bitmaps } = this.top;
    const kind =
      bitmaps.length === 0 ? 'add' : this.pick(['add', 'remove', 'clear', 'enable', 'disable', 'merge'] as const);
    if (kind === 'add') {
      const bitmap: ModelBitmap = {
        name: `b${this.log.length}`,
        granularity: 512 << this.random.below(9),
        isEnabled: true,
        marks: new Set(),
      };
      const args = ['bitmap', '--add', '-g', String(bitmap.granularity), TOP, bitmap.name];
      if (bitmaps.length < 3 && (await this.#both(...args))) bitmaps.push(bitmap);
      return;
    }
    const bitmap = this.pick(bitmaps);
    const source = this.pick(bitmaps);
    const done = await this.#both('bitmap', `--${kind}`, ...(kind === 'merge' ? [source.name] : []), TOP, bitmap.name);
    if (!done) return;
    if (kind === 'remove') bitmaps.splice(bitmaps.indexOf(bitmap), 1);
    else if (kind === 'clear') bitmap.marks.clear();
    else if (kind === 'merge') this.top.mergeBitmaps(bitmap, source);
    else bitmap.isEnabled = kind === 'enable';
  }

  /** What a copy between images marks depends on what it copies: both programs' bitmaps are asked, and have to agree. */
  async #learnMarks(): Promise<void> {
    for (const bitmap of this.top.bitmaps) bitmap.marks = marksOf(join(this.#twin, TOP), bitmap, this.top.size);
  }

  /** Everything is as it ought to be, says `qemu-img`. */
  async verify(): Promise<void> {
    for (const layer of new Set([this.top, this.mid, this.base])) {
      if (layer.format === 'qcow2') this.#check(layer);
      this.#compare(this.#read(layer.file, layer.format), layer.content(), layer.file);
      for (const snapshot of layer.snapshots.filter(({ isLost }) => !isLost)) {
        const disk = this.#read(layer.file, 'qcow2', '-l', snapshot.name);
        const whole = layer.contentOf(snapshot);
        // QEMU's disk has the present size.
        const length = Math.min(disk.length, whole.length);
        this.#compare(
          disk.subarray(0, length),
          whole.subarray(0, length),
          `snapshot ${snapshot.name} of ${layer.file}`,
        );
      }
    }
    const own = await runInline(this.#ours, 'convert', '-O', 'raw', TOP, 'own.raw');
    expect(own, this.story()).toEqual({ status: 0, stdout: '', stderr: '' });
    this.#compare(readFileSync(join(this.#ours, 'own.raw')), this.top.content(), 'top, read by diskloom');
  }

  /** Asks `qemu-nbd` what the bitmaps say. */
  verifyBitmaps(): void {
    for (const bitmap of this.top.bitmaps) {
      const marks = [...marksOf(join(this.#ours, TOP), bitmap, this.top.size)].sort((a, b) => a - b);
      expect(marks, `${this.story()}\nbitmap ${bitmap.name}`).toEqual([...bitmap.marks].sort((a, b) => a - b));
    }
  }

  #check({ file }: ModelLayer): void {
    const { status, stdout, stderr } = spawnSync('qemu-img', ['check', join(this.#ours, file)], { encoding: 'utf8' });
    expect({ status, stderr }, `${this.story()}\n${stdout}`).toEqual({ status: 0, stderr: '' });
  }

  #read(file: string, format: string, ...options: string[]): Buffer {
    const target = join(this.#ours, 'read.raw');
    qemuImg('convert', '-f', format, '-O', 'raw', ...options, join(this.#ours, file), target);
    return readFileSync(target);
  }

  #compare(disk: Uint8Array, wanted: Uint8Array, what: string): void {
    if (Buffer.compare(disk, wanted) === 0) return;
    const at = wanted.findIndex((byte, index) => byte !== disk[index]);
    const found = `${disk[at]} instead of ${wanted[at]} at ${at}, ${disk.length} bytes of ${wanted.length}`;
    throw new Error(`${this.story()}\n${what}: ${found}`);
  }
}

/** Without QEMU's random names. */
function masked({ status, stdout, stderr }: ProgramResult): ProgramResult {
  const text = stderr.replace(/#block\d+/g, '#block');
  return { status, stdout, stderr: text };
}

function canWrite(file: string, command: string): boolean {
  return spawnSync('qemu-io', ['-f', 'qcow2', '-c', command, file], { stdio: 'ignore' }).status === 0;
}

function clusterOf(options: string): number {
  const [, number, unit] = /cluster_size=(\d+)(k?)/.exec(options)!;
  return Number(number) * (unit === 'k' ? KIB : 1);
}

/** Granules that a persistent bitmap marks. */
function marksOf(file: string, { name, granularity }: ModelBitmap, size: number): Set<number> {
  const server = ['[', 'qemu-nbd', '-r', '-f', 'qcow2', '-B', name, file, ']'];
  const { status, stdout, stderr } = spawnSync(
    'nbdinfo',
    ['--json', `--map=qemu:dirty-bitmap:${name}`, '--', ...server],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  const marks = new Set<number>();
  for (const { offset, length, type } of JSON.parse(stdout) as { offset: number; length: number; type: number }[]) {
    if (type !== 1) continue;
    for (let at = offset; at < Math.min(size, offset + length); at += granularity)
      marks.add(Math.floor(at / granularity));
  }
  return marks;
}
