/** What is left when writing stops half way: no image at all, or one that can be repaired without loss. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { qcow2 } from '../../../src/formats/qcow2/index.js';
import type { EditableImage } from '../../../src/image/image.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { Random } from '../../support/random.js';
import { scratchDirectory } from '../../support/scratch.js';
import { FaultStore } from './fault-store.js';
import { contextFor, makeRaw, noise } from './writing.js';

const KIB = 1024;
const MIB = 1024 * KIB;

async function fill(store: FaultStore, clusterSize = 4096, context = contextFor('image')): Promise<void> {
  const request = { size: 4 * MIB, options: { cluster_size: clusterSize }, compress: false, flush: false };
  const writer = await qcow2.create!(store, request, context);
  const bytes = noise(MIB, 1);
  for (const offset of [0, 2 * MIB]) {
    const pieces = [{ kind: 'data' as const, offset, length: bytes.length, bytes }];
    const write = await writer.place({ offset, length: bytes.length, pieces });
    await write?.();
  }
  await writer.finish();
}

/** Answers every request later. */
class LateStore extends FaultStore {
  override write(offset: number, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => resolve(super.write(offset, bytes)));
    });
  }

  override read(offset: number, into: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => resolve(super.read(offset, into)));
    });
  }
}

describe('a new image', () => {
  it('is the same in a storage that takes its time, with hardly any memory for tables', async () => {
    const [store, late] = [new FaultStore('image'), new LateStore('image')];
    await fill(store, 512);
    const context = { ...contextFor('image'), runtimeOptions: { 'l2-cache-size': 1 } };
    await fill(late, 512, context);
    expect(Buffer.compare(late.bytes, store.bytes)).toBe(0);
  });

  it('gets its first sector last', async () => {
    const store = new FaultStore('image');
    await fill(store);
    expect(store.written.at(-1)!.offset).toBe(0);
    expect(store.written.slice(0, -1).filter(({ offset }) => offset < 512)).toEqual([]);
  });

  it('has no magic wherever writing fails, and the failure is told', async () => {
    const whole = new FaultStore('image');
    await fill(whole);
    expect(whole.changes).toBeGreaterThan(5);
    for (let at = 1; at <= whole.changes; at++) {
      const store = new FaultStore('image');
      store.breaksAt = at;
      await expect(fill(store)).rejects.toThrow('No space left on device');
      expect(store.bytes.subarray(0, 4).every((byte) => byte === 0)).toBe(true);
    }
  });
});

describeWith(['qemu-img', 'qemu-io'], 'an image that is changed in place', () => {
  const file = scratchDirectory();
  const size = 2 * MIB;

  /** Data, compressed clusters and a snapshot, in clusters of 4 KiB, so that tables are many. */
  function original(): Uint8Array {
    const [path, source] = [file('original.qcow2'), file('source.raw')];
    makeRaw(source, size, [{ offset: 0, length: size, fill: 7 }]);
    qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', 'cluster_size=512', source, path);
    qemuIo(path, 'qcow2', 'write -P 1 0 500k');
    qemuImg('snapshot', '-c', 'one', path);
    qemuIo(path, 'qcow2', 'write -P 2 300k 500k');
    return new Uint8Array(readFileSync(path));
  }

  /** What each sector may hold after a crash: its content at the last flush, and all that came after. */
  class History {
    #possible = new Map<number, Uint8Array[]>();

    constructor(private flushed: Uint8Array) {}

    change(model: Uint8Array, offset: number, length: number): void {
      for (let at = offset; at < offset + length; at += 512) {
        const contents = this.#possible.get(at) ?? [];
        this.#possible.set(at, contents);
        contents.push(model.slice(at, at + 512));
      }
    }

    flush(model: Uint8Array): void {
      this.flushed = model.slice();
      this.#possible = new Map();
    }

    /** The first sector of `content` that holds what was never there; -1 if there is none. */
    firstForeign(content: Uint8Array): number {
      for (let at = 0; at < size; at += 512) {
        const possible = [this.flushed.subarray(at, at + 512), ...(this.#possible.get(at) ?? [])];
        if (!possible.some((bytes) => Buffer.compare(bytes, content.subarray(at, at + 512)) === 0)) return at;
      }
      return -1;
    }
  }

  async function change(store: FaultStore, first: Uint8Array): Promise<History> {
    const model = new Uint8Array(first);
    const history = new History(first);
    const context = { ...contextFor('image'), runtimeOptions: { 'l2-cache-size': 1 } };
    const image: EditableImage = await qcow2.edit!(store, { compress: false, flush: true }, context);
    const random = new Random(3);
    try {
      for (let index = 0; index < 60; index++) {
        const length = 512 * (1 + random.below(60));
        const offset = 512 * random.below((size - length) / 512);
        const bytes = index % 4 === 0 ? new Uint8Array(length) : noise(length, index);
        model.set(bytes, offset);
        history.change(model, offset, length);
        if (index % 4 === 0) await image.zero(offset, length);
        else await image.write(offset, bytes);
        if (index % 15 === 14) {
          await image.flush();
          history.flush(model);
        }
      }
      await image.finish();
      history.flush(model);
    } catch (error) {
      expect(String(error)).toMatch('No space left on device');
    }
    return history;
  }

  function contentOf(path: string, ...args: string[]): Buffer {
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', ...args, path, file('content.raw'));
    return readFileSync(file('content.raw'));
  }

  it('can be repaired after a crash at any point; what was flushed, and the snapshot, is there', async () => {
    const before = original();
    const path = file('crashed.qcow2');
    const first = contentOf(file('original.qcow2'));
    const snapshot = contentOf(file('original.qcow2'), '-l', 'one');
    const whole = new FaultStore('image', before.slice());
    await change(whole, first);
    const step = Math.max(1, Math.floor(whole.changes / 30));
    for (let at = 1; at <= whole.changes + step; at += step) {
      const store = new FaultStore('image', before.slice());
      store.breaksAt = at;
      const history = await change(store, first);
      writeFileSync(path, store.bytes);
      const { status, stdout, stderr } = spawnSync('qemu-img', ['check', '-r', 'all', path], { encoding: 'utf8' });
      expect(`at ${at}: ${status}: ${stdout}${stderr}`).toMatch(/^at \d+: 0: /);
      expect(`at ${at}: ${stdout}${stderr}`).not.toMatch(/^ERROR|[1-9]\d* corruption/m);
      expect(`at ${at}: ${history.firstForeign(contentOf(path))}`).toBe(`at ${at}: -1`);
      expect(Buffer.compare(contentOf(path, '-l', 'one'), snapshot)).toBe(0);
    }
  }, 300_000);
});
