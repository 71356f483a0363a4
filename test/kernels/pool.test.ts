import { readFileSync } from 'node:fs';
import { MessageChannel } from 'node:worker_threads';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { afterAll, describe, expect, it } from 'vitest';
import { InlineKernels } from '../../src/kernels/inline.js';
import type { Kernels, UnitEncoding, UnitResult } from '../../src/kernels/kernels.js';
import { KernelPool, type KernelWorkerHandle } from '../../src/kernels/pool.js';
import { serveKernels } from '../../src/kernels/worker.js';
import { createNodeKernels } from '../../src/platform/node/kernels.js';
import { Random } from '../support/random.js';

const UNIT = 65536;
const ENCODING: UnitEncoding = { codec: 'deflate', unit: UNIT, level: 6, window: 4096, limit: UNIT - 1 };

const unsharedModule = { module: new WebAssembly.Module(readFileSync('build/kernels.wasm')), shared: false };

/** A worker without a thread: served on this one, through real messages. */
function localWorker(): KernelWorkerHandle {
  const { port1, port2 } = new MessageChannel();
  serveKernels(nodeEndpoint(port2));
  return { endpoint: nodeEndpoint(port1), terminate: () => port1.close(), onFailure: () => {} };
}

const kinds: { name: string; kernels: Kernels }[] = [
  { name: 'inline, unshared', kernels: new InlineKernels(unsharedModule) },
  { name: 'inline, shared', kernels: createNodeKernels({ workers: 0 }) },
  { name: 'threads', kernels: createNodeKernels({ workers: 2 }) },
  {
    name: 'pool without shared memory',
    kernels: new KernelPool({ module: unsharedModule, workers: 3, spawn: localWorker }),
  },
];

/** Text, zeros, noise and a short last unit. */
function sample(): Uint8Array {
  const bytes = new Uint8Array(5 * UNIT + 1000);
  const random = new Random(5);
  for (let at = 0; at < UNIT; at++) bytes[at] = 97 + random.below(6);
  bytes.set(random.bytes(UNIT), 2 * UNIT);
  bytes.fill(42, 3 * UNIT, 5 * UNIT);
  bytes.set(random.bytes(100), 5 * UNIT);
  return bytes;
}

function unitsOf(bytes: Uint8Array, results: UnitResult[]): Uint8Array[] {
  return results.map((result, i) => bytes.slice(i * UNIT, i * UNIT + (result.kind === 'packed' ? result.length : 0)));
}

afterAll(() => Promise.all(kinds.map(({ kernels }) => kernels.close())));

describe.each(kinds)('kernels: $name', ({ kernels }) => {
  it('pack unit by unit, in place, as any inflater can read', async () => {
    const plain = sample();
    for (const buffer of [kernels.buffer(plain.length), { bytes: plain.slice(), release() {} }]) {
      buffer.bytes.set(plain);
      const results = await kernels.pack(buffer.bytes, ENCODING);
      expect(results.map((result) => result.kind)).toEqual(['packed', 'zero', 'plain', 'packed', 'packed', 'packed']);
      unitsOf(buffer.bytes, results).forEach((stream, i) => {
        const unit = new Uint8Array(UNIT);
        unit.set(plain.subarray(i * UNIT, (i + 1) * UNIT));
        if (stream.length > 0) expect(Buffer.compare(inflateRawSync(stream), unit)).toBe(0);
      });
      expect(Buffer.compare(buffer.bytes.subarray(2 * UNIT, 3 * UNIT), plain.subarray(2 * UNIT, 3 * UNIT))).toBe(0);
      buffer.release();
    }
  });

  it('give the same bytes as every other kind', async () => {
    const [mine, theirs] = [sample(), sample()];
    const results = await kernels.pack(mine, ENCODING);
    expect(await kinds[0]!.kernels.pack(theirs, ENCODING)).toEqual(results);
    expect(Buffer.compare(mine, theirs)).toBe(0);
  });

  it('unpack batches, small and large, with bytes after the stream', async () => {
    const plain = sample();
    const packed = plain.slice();
    const results = await kernels.pack(packed, ENCODING);
    const streams = unitsOf(packed, results).filter((stream) => stream.length > 0);
    const wanted = [0, 3, 4].map((i) => plain.subarray(i * UNIT, (i + 1) * UNIT));
    for (const repeat of [1, 20]) {
      const target = kernels.buffer(3 * UNIT * repeat);
      const batch = Array.from({ length: 3 * repeat }, (_, i) => ({
        packed: Buffer.concat([streams[i % 3]!, Buffer.from('rest of the sector')]),
        into: target.bytes.subarray(i * UNIT, (i + 1) * UNIT),
      }));
      await kernels.unpack('deflate', batch);
      batch.forEach(({ into }, i) => {
        expect(Buffer.compare(into, wanted[i % 3]!)).toBe(0);
      });
      target.release();
    }
  });

  it('refuse a broken stream with the code of the error', async () => {
    const batch = Array.from({ length: 4 }, () => ({ packed: new Uint8Array([7, 7, 7]), into: new Uint8Array(UNIT) }));
    await expect((async () => kernels.unpack('deflate', batch))()).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('recycle buffers', () => {
    const first = kernels.buffer(UNIT);
    const address = first.bytes.byteOffset;
    first.release();
    first.release();
    const second = kernels.buffer(UNIT);
    expect(second.bytes.byteOffset).toBe(address);
    expect(kernels.buffer(UNIT).bytes.byteOffset).not.toBe(address);
  });
});

describe('the pool', () => {
  it('works through more than its workers can hold', async () => {
    const kernels = new KernelPool({ module: unsharedModule, workers: 1, spawn: localWorker });
    const runs = Array.from({ length: 12 }, () => sample());
    const all = await Promise.all(runs.map((bytes) => kernels.pack(bytes, ENCODING)));
    expect(all.every((results) => results.length === 6)).toBe(true);
    await kernels.close();
  });

  it('fails what a dead worker held, with the cause, and goes on with a new one', async () => {
    const reports: ((cause: unknown) => void)[] = [];
    const silent = (): KernelWorkerHandle => {
      const { port1 } = new MessageChannel();
      return {
        endpoint: nodeEndpoint(port1),
        terminate: () => port1.close(),
        onFailure: (report) => void reports.push(report),
      };
    };
    let spawned = 0;
    const spawn = () => (spawned++ === 0 ? silent() : localWorker());
    const kernels = new KernelPool({ module: unsharedModule, workers: 1, spawn });
    const lost = kernels.pack(sample(), ENCODING);
    reports[0]!(new Error('out of memory'));
    await expect(lost).rejects.toThrow('A kernel worker has died: out of memory');
    expect(await kernels.pack(sample(), ENCODING)).toHaveLength(6);
    await kernels.close();
  });
});

it('a batch that fails has ended: nobody writes into memory that the caller gives to others', async () => {
  const kernels = createNodeKernels({ workers: 2 });
  const unit = 512 * 1024;
  const stream = deflateRawSync(Buffer.from(new Random(6).bytes(unit)).map((byte) => byte & 31));
  const packed = kernels.buffer(40 * stream.length).bytes;
  const into = kernels.buffer(40 * unit).bytes;
  const batch = Array.from({ length: 40 }, (_, index) => ({
    packed: packed.subarray(index * stream.length, (index + 1) * stream.length),
    into: into.subarray(index * unit, (index + 1) * unit),
  }));
  for (const item of batch) item.packed.set(stream);
  batch[0]!.packed.fill(0xff);
  await expect(kernels.unpack('deflate', batch)).rejects.toMatchObject({ code: 'corrupt' });
  into.fill(0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(into.every((byte) => byte === 0)).toBe(true);
  await kernels.close();
});
