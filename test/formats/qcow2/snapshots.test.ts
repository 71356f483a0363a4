/** Snapshots made, applied and deleted: against a model in memory, after crashes, and in images that lie. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { qcow2 } from '../../../src/formats/qcow2/index.js';
import type { EditableImage, Image } from '../../../src/image/image.js';
import type { OptionValues } from '../../../src/image/options.js';
import { openFile } from '../../../src/platform/node/open-file.js';
import type { ByteStore } from '../../../src/storage/storage.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { Random } from '../../support/random.js';
import { scratchDirectory } from '../../support/scratch.js';
import { FaultStore } from './fault-store.js';
import { openBytes } from './support.js';
import { contextFor, makeRaw, noise, optionText } from './writing.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const DATE = { seconds: 946_684_800, nanoseconds: 5 };

async function editStore(store: ByteStore, told: string[] = []): Promise<EditableImage> {
  // The smallest cache that there is, so that metadata is committed again and again.
  const runtimeOptions = { 'l2-cache-size': 1 };
  const events = { onFinding: () => {}, onTrouble: (message: string) => told.push(message) };
  const context = { ...contextFor(store.name), runtimeOptions, events };
  return qcow2.edit!(store, { compress: false, flush: true }, context);
}

async function edit<T>(path: string, work: (image: EditableImage) => Promise<T>): Promise<T> {
  const image = await editStore(await openFile(path, 'write'));
  try {
    const result = await work(image);
    await image.finish();
    return result;
  } finally {
    await image.close();
  }
}

function remove(image: EditableImage, name: string): Promise<void> {
  return image.deleteSnapshot!(image.snapshots.find((each) => each.name === name)!);
}

/** What the snapshots of an image hold, by their names. */
async function contentsOf(image: Image): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>();
  for (const { name } of image.snapshots) {
    const snapshot = await image.snapshot!(name);
    const content = new Uint8Array(snapshot.size);
    await snapshot.read(0, content);
    contents.set(name, content);
  }
  return contents;
}

/** Where two contents differ first; -1: nowhere. */
function differsAt(one: Uint8Array, other: Uint8Array): number {
  if (Buffer.compare(one, other) === 0) return -1;
  const at = one.findIndex((byte, index) => byte !== other[index]);
  return at < 0 ? one.length : at;
}

describeWith(['qemu-img', 'qemu-io'], 'snapshots', () => {
  const file = scratchDirectory();
  const path = () => file('image.qcow2');

  function contentOf(name = path(), ...snapshot: string[]): Buffer {
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', ...snapshot, name, file('content.raw'));
    return readFileSync(file('content.raw'));
  }

  /** Data, zero clusters and compressed clusters. */
  function makeImage(options: OptionValues, size: number, isCompressed: boolean): Buffer {
    makeRaw(file('source.raw'), size, [
      { offset: 0, length: size >> 2 },
      { offset: size >> 1, length: size >> 3, fill: 7 },
    ]);
    const o = Object.keys(options).length > 0 ? ['-o', optionText(options)] : [];
    const c = isCompressed ? ['-c'] : [];
    qemuImg('convert', ...c, '-f', 'raw', '-O', 'qcow2', ...o, file('source.raw'), path());
    qemuIo(path(), 'qcow2', `write -P 9 ${size >> 3} 300k`, `write -P 5 ${(size >> 1) + 128 * KIB} 200k`);
    if (options.compat !== '0.10') qemuIo(path(), 'qcow2', `write -z ${size >> 4} 128k`);
    return contentOf();
  }

  /** qemu-img reads a snapshot at the present size of the disk. */
  function isAsFarAs(name: string, content: Buffer): boolean {
    const found = contentOf(path(), '-l', `snapshot.name=${name}`);
    const length = Math.min(found.length, content.length);
    return found.subarray(0, length).equals(content.subarray(0, length));
  }

  const KINDS: [OptionValues, boolean][] = [
    [{}, false],
    [{ cluster_size: 512 }, true],
    [{ cluster_size: 4096, refcount_bits: 64 }, true],
    [{ cluster_size: 2 * MIB }, false],
    [{ compat: '0.10' }, true],
    [{ extended_l2: true, cluster_size: 32 * KIB }, true],
    [{ lazy_refcounts: true, compression_type: 'zstd' }, true],
  ];

  describe.each(KINDS)('with %o, compressed: %s', (options, isCompressed) => {
    /** The disk and its snapshots as they should be. */
    class Model {
      readonly snapshots = new Map<string, Buffer>();
      #named = 0;

      constructor(
        public disk: Buffer,
        private readonly random: Random,
      ) {}

      async step(image: EditableImage): Promise<void> {
        const { random } = this;
        const chosen = [...this.snapshots.keys()][random.below(Math.max(1, this.snapshots.size))];
        const action = random.below(6);
        if (action === 0) {
          const name = `snapshot ${++this.#named}`;
          await image.createSnapshot!({ name, date: DATE });
          this.snapshots.set(name, Buffer.from(this.disk));
        } else if (action === 1 && chosen !== undefined) {
          await image.applySnapshot!(chosen);
          this.disk = Buffer.from(this.snapshots.get(chosen)!);
        } else if (action === 2 && chosen !== undefined) {
          await remove(image, chosen);
          this.snapshots.delete(chosen);
        } else await this.#write(image);
      }

      async #write(image: EditableImage): Promise<void> {
        const { random, disk } = this;
        const length = Math.min(disk.length, 1 + random.below(400 * KIB));
        const offset = random.below(disk.length - length + 1);
        if (random.below(4) === 0) {
          await image.zero(offset, length);
          disk.fill(0, offset, offset + length);
          return;
        }
        const bytes = noise(length, random.next());
        await image.write(offset, bytes);
        disk.set(bytes, offset);
      }

      async expectIn(image: EditableImage): Promise<void> {
        const bytes = new Uint8Array(image.size);
        await image.read(0, bytes);
        expect(differsAt(bytes, this.disk)).toBe(-1);
        expect(image.snapshots.map(({ name }) => name)).toEqual([...this.snapshots.keys()]);
        for (const [name, content] of await contentsOf(image))
          expect(differsAt(content, this.snapshots.get(name)!)).toBe(-1);
      }
    }

    it('hold what the disk held, after anything that may be done', async () => {
      const random = new Random(KINDS.findIndex(([each]) => each === options) + 1);
      const model = new Model(makeImage(options, 4 * MIB + 512, isCompressed), random);
      for (let round = 0; round < 4; round++) {
        await edit(path(), async (image) => {
          for (let step = 0; step < 6; step++) await model.step(image);
          await model.expectIn(image);
        });
        qemuImg('check', path());
        expect(differsAt(contentOf(), model.disk)).toBe(-1);
        const [oldest] = model.snapshots;
        if (oldest !== undefined) expect(isAsFarAs(oldest[0], oldest[1])).toBe(true);
        // What the other program makes of it has to be right for us too.
        const name = `theirs ${round}`;
        qemuImg('snapshot', '-c', name, path());
        model.snapshots.set(name, Buffer.from(model.disk));
        if (options.compat === '0.10' || round % 2 !== 1) continue;
        const size = model.disk.length + (round % 4 === 1 ? -MIB : 2 * MIB);
        qemuImg('resize', '-q', '-f', 'qcow2', '--shrink', path(), String(size));
        model.disk = Buffer.concat([model.disk.subarray(0, size), Buffer.alloc(Math.max(0, size - model.disk.length))]);
      }
    }, 120_000);

    it.runIf(options.cluster_size === 512 || options.extended_l2 === true).each(['create', 'apply', 'delete'] as const)(
      'survive a crash at any point of %s',
      async (action) => {
        const before = makeImage(options, 2 * MIB, isCompressed);
        qemuImg('snapshot', '-c', 'one', path());
        qemuIo(path(), 'qcow2', 'write -P 3 100k 700k');
        qemuImg('snapshot', '-c', 'two', path());
        qemuIo(path(), 'qcow2', 'write -P 4 600k 300k');
        const [disk, two, bytes] = [contentOf(), contentOf(path(), '-l', 'two'), readFileSync(path())];
        const run = async (store: FaultStore) => {
          try {
            const image = await editStore(store);
            if (action === 'create') await image.createSnapshot!({ name: 'three', date: DATE });
            else if (action === 'apply') await image.applySnapshot!('one');
            else await remove(image, 'one');
            await image.finish();
          } catch (error) {
            expect(String(error)).toMatch('No space left on device');
          }
        };
        const whole = new FaultStore('image', new Uint8Array(bytes));
        await run(whole);
        expect(whole.changes).toBeGreaterThan(5);
        const stride = Math.max(1, Math.floor(whole.changes / 12));
        for (let at = 1; at <= whole.changes + stride; at += stride) {
          const store = new FaultStore('image', new Uint8Array(bytes));
          store.breaksAt = at;
          await run(store);
          writeFileSync(path(), store.bytes);
          const { status, stdout } = spawnSync('qemu-img', ['check', '-r', 'all', path()], { encoding: 'utf8' });
          expect(`at ${at}: ${status}: ${stdout}`).toMatch(/^at \d+: 0: /);
          const found = contentOf();
          const possible = action === 'apply' ? [disk, before] : [disk];
          expect(`at ${at}: ${possible.some((each) => each.equals(found))}`).toBe(`at ${at}: true`);
          const held = await contentsOf(await openBytes(readFileSync(path())));
          expect(differsAt(held.get('two')!, two)).toBe(-1);
          if (action !== 'delete') expect(held.has('one')).toBe(true);
          expect(differsAt(held.get('one') ?? before, before)).toBe(-1);
          expect(differsAt(held.get('three') ?? disk, disk)).toBe(-1);
        }
      },
      120_000,
    );
  });

  it('is the disk of the size that it had', async () => {
    const small = makeImage({ cluster_size: 512 }, MIB, false);
    qemuImg('snapshot', '-c', 'small', path());
    qemuImg('resize', '-q', '-f', 'qcow2', path(), '5M');
    qemuIo(path(), 'qcow2', 'write -P 8 4M 500k');
    const large = contentOf();
    qemuImg('snapshot', '-c', 'large', path());
    for (const [name, content] of [
      ['small', small],
      ['large', large],
      ['small', small],
    ] as const) {
      await edit(path(), async (image) => {
        await image.applySnapshot!(name);
        expect(image.size).toBe(content.length);
        const bytes = noise(512, 1);
        await image.write(image.size - 512, bytes);
        content.set(bytes, content.length - 512);
        const read = new Uint8Array(image.size);
        await image.read(0, read);
        expect(differsAt(read, content)).toBe(-1);
      });
      qemuImg('check', path());
      expect(differsAt(contentOf(), content)).toBe(-1);
      content.set(contentOf(path(), '-l', name).subarray(-512), content.length - 512);
    }
  });

  it('keeps what it does not know of other entries of the table', async () => {
    makeImage({}, MIB, false);
    qemuImg('snapshot', '-c', 'x'.repeat(64), path());
    const bytes = readFileSync(path());
    const table = Number(bytes.readBigUInt64BE(64));
    // Id and name become shorter, and extra data longer; two bytes of the name are no UTF-8.
    bytes.writeUInt32BE(24 + 16, table + 36);
    bytes.writeUInt16BE(65 - 1 - 16, table + 14);
    bytes.fill(0xfe, table + 40 + 24, table + 40 + 24 + 16);
    bytes.fill(0xfd, table + 40 + 24 + 16 + 1, table + 40 + 24 + 16 + 3);
    writeFileSync(path(), bytes);
    const created = await edit(path(), (image) => image.createSnapshot!({ name: 'new', date: DATE }));
    const after = readFileSync(path());
    const moved = Number(after.readBigUInt64BE(64));
    expect(moved).not.toBe(table);
    const entry = (from: Buffer, at: number) => from.subarray(at, at + 40 + 24 + 16 + 1 + 48);
    expect(entry(after, moved).equals(entry(bytes, table))).toBe(true);
    expect(created).toMatchObject({ name: 'new', date: DATE, vmStateSize: 0, vmClock: 0n, icount: 0n, size: MIB });
    qemuImg('check', path());
  });

  it('gets the id after the highest', async () => {
    makeImage({}, MIB, false);
    await edit(path(), async (image) => {
      const create = async (name: string) => (await image.createSnapshot!({ name, date: DATE })).id;
      expect([await create('a'), await create('b'), await create('b')]).toEqual(['1', '2', '3']);
      await remove(image, 'a');
      expect(await create('c')).toBe('4');
      await image.applySnapshot!('3');
      await expect(image.applySnapshot!('a')).rejects.toThrow('Failed to load snapshot: No such file');
    });
    expect(qemuImg('snapshot', '-l', path()).match(/^\d+ +\w/gm)).toEqual(['2       b', '3       b', '4       c']);
  });

  /** An image with one snapshot, changed; `table` is where the snapshot table is, `l2` the first L2 table. */
  async function damaged(
    change: (bytes: Buffer, at: { table: number; l1: number; l2: number }) => void,
    told: string[] = [],
  ): Promise<EditableImage> {
    makeImage({}, MIB, false);
    qemuImg('snapshot', '-c', 'one', path());
    const bytes = readFileSync(path());
    const l1 = Number(bytes.readBigUInt64BE(40));
    const l2 = Number(bytes.readBigUInt64BE(l1) & 0xfffffffffffe00n);
    change(bytes, { table: Number(bytes.readBigUInt64BE(64)), l1, l2 });
    return editStore(new FaultStore('image', new Uint8Array(bytes)), told);
  }

  it.each([
    ['an L1 table that is not aligned', 0, 0x400200n, 'Snapshot L1 table offset invalid', 'Invalid argument'],
    ['an L1 table beyond 2^53', 0, 1n << 60n, 'Snapshot L1 table offset invalid', 'Invalid argument'],
    [
      'an L1 table behind the end',
      0,
      1n << 40n,
      'Snapshot L1 table ends beyond the end of the file',
      'Invalid argument',
    ],
    ['an endless L1 table', 8, 0x1000_0000_0001_0003n, 'Snapshot L1 table too large', 'File too large'],
    ['a disk of half a sector', 48, 257n, 'The new size must be a multiple of 512', 'Invalid argument'],
    ['a disk that no L1 table can map', 48, 1n << 52n, 'Snapshot disk size too large', 'File too large'],
  ])('is refused with %s', async (_, field, value, message, word) => {
    const told: string[] = [];
    const image = await damaged((bytes, { table }) => bytes.writeBigUInt64BE(value, table + field), told);
    await expect(image.applySnapshot!('one')).rejects.toThrow(`Failed to load snapshot: ${word}`);
    expect(told).toEqual([message]);
    if (field < 16) await expect(remove(image, 'one')).rejects.toThrow(message);
  });

  it.each([
    ['a cluster that no table could count', 0xbfff_ffff_ffff_0000n, 'File too large'],
    ['a cluster that is not counted', 0x8000_00ff_ffff_0000n, 'Resource temporarily unavailable'],
    ['a cluster that is not in use', 0x8000_0000_0fff_0000n, 'is in use, but its refcount is 0'],
    ['a cluster that is not aligned', 0x8000_0000_0005_0200n, 'Cluster allocation offset 0x50200 unaligned'],
  ])('is not made where an L2 entry names %s', async (_, entry, message) => {
    const image = await damaged((bytes, { l2 }) => bytes.writeBigUInt64BE(entry, l2));
    await expect(image.createSnapshot!({ name: 'two', date: DATE })).rejects.toThrow(message);
    expect(image.snapshots.length).toBe(1);
    await expect(image.finish()).rejects.toThrow(message);
  });

  it('is not made of an L1 table that names one L2 table again and again', async () => {
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', path(), '64M');
    qemuIo(path(), 'qcow2', 'write 0 512');
    const bytes = readFileSync(path());
    const l1 = Number(bytes.readBigUInt64BE(40));
    for (let index = 1; index < 2048; index++) bytes.copy(bytes, l1 + 8 * index, l1, l1 + 8);
    const image = await editStore(new FaultStore('image', new Uint8Array(bytes)));
    await expect(image.createSnapshot!({ name: 'one', date: DATE })).rejects.toThrow('L2 tables overlap');
  });
});
