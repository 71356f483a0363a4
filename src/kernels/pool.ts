/**
 * Kernels on workers.
 *
 * Workers start when the first work for them comes, one for each piece of work that finds no idle one. Each may hold
 * two pieces, so that the next is there when one ends. What is too small to be worth a message is done inline.
 * A worker that dies fails the work it held, with the cause; the others go on, and a new one takes its place when
 * there is work for it.
 */
import * as Comlink from 'comlink';
import { ImageError } from '../errors.js';
import type { Loan } from '../loan.js';
import { gather, type MaybePromise } from '../maybe.js';
import { InlineKernels, type KernelModule } from './inline.js';
import type { Codec, Kernels, UnitEncoding, UnitResult, Unpack } from './kernels.js';
import type { Reply, WorkerApi } from './worker.js';

/** What the platform knows of a worker. */
export interface KernelWorkerHandle {
  readonly endpoint: Comlink.Endpoint;
  terminate(): void;
  /** Told when the worker gets its first piece of work and when it has none left: only then may the program end. */
  holdsWork?(busy: boolean): void;
  /** Calls `report` when the worker ends by itself or throws outside of a call. */
  onFailure(report: (cause: unknown) => void): void;
}

export interface PoolOptions {
  readonly module: KernelModule;
  /** At most this many workers, 1 or more. */
  readonly workers: number;
  spawn(): KernelWorkerHandle;
}

/** Output of up to this many bytes is made inline: a message there and back costs as much. */
const INLINE_BYTES = 64 * 1024;

/** Pieces of work that a worker may hold: one under way, one waiting. */
const DEPTH = 2;

interface PoolWorker {
  readonly handle: KernelWorkerHandle;
  readonly api: Comlink.Remote<WorkerApi>;
  /** Rejects what the worker holds. */
  readonly held: Set<(cause: unknown) => void>;
}

type Task<T> = (api: Comlink.Remote<WorkerApi>) => Promise<Reply<T>>;

export class KernelPool implements Kernels {
  readonly parallelism: number;
  readonly #inline: InlineKernels;
  readonly #workers: PoolWorker[] = [];
  readonly #waiting: (() => void)[] = [];
  #closed = false;

  constructor(private readonly options: PoolOptions) {
    this.parallelism = options.workers;
    this.#inline = new InlineKernels(options.module);
  }

  /** Starts all workers before there is work for them. */
  start(): void {
    while (this.#workers.length < this.options.workers) this.#start();
  }

  buffer(length: number): Loan {
    return this.#inline.buffer(length);
  }

  split(bytes: Uint8Array, granule: number, minimum: number): number[] {
    return this.#inline.split(bytes, granule, minimum);
  }

  crc32(bytes: Uint8Array): number {
    return this.#inline.crc32(bytes);
  }

  crc32c(bytes: Uint8Array): number {
    return this.#inline.crc32c(bytes);
  }

  async pack(bytes: Uint8Array, encoding: UnitEncoding): Promise<UnitResult[]> {
    if (isShared(bytes)) return (await this.#send((api) => api.pack(bytes, encoding, true))).results;
    const copy = bytes.slice();
    const reply = await this.#send((api) => api.pack(Comlink.transfer(copy, [copy.buffer]), encoding, false));
    bytes.set(reply.bytes!);
    return reply.results;
  }

  unpack(codec: Codec, batch: readonly Unpack[]): MaybePromise<number[]> {
    const bytes = batch.reduce((sum, { into }) => sum + into.length, 0);
    if (bytes <= INLINE_BYTES) return this.#inline.unpack(codec, batch);
    const parts = this.#divide(batch);
    return this.#unpackAll(codec, parts);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const worker of this.#workers.splice(0)) worker.handle.terminate();
  }

  /** One part for each worker that has nothing to do, at least one part. */
  #divide(batch: readonly Unpack[]): (readonly Unpack[])[] {
    const busy = this.#workers.filter((worker) => worker.held.size > 0).length;
    const parts = Math.max(1, Math.min(this.options.workers - busy, batch.length));
    const length = Math.ceil(batch.length / parts);
    return Array.from({ length: Math.ceil(batch.length / length) }, (_, i) =>
      batch.slice(i * length, (i + 1) * length),
    );
  }

  async #unpackAll(codec: Codec, parts: readonly (readonly Unpack[])[]): Promise<number[]> {
    const lengths: number[][] = [];
    await gather((work) => {
      for (const [index, part] of parts.entries()) {
        const unpacked = this.#unpackPart(codec, part).then((found) => {
          lengths[index] = found;
        });
        work.add(unpacked);
      }
    });
    return lengths.flat();
  }

  async #unpackPart(codec: Codec, batch: readonly Unpack[]): Promise<number[]> {
    const packed = batch.map((item) => item.packed);
    const into = batch.map((item) => item.into);
    if ([...packed, ...into].every(isShared)) return this.#send((api) => api.unpackShared(codec, packed, into));
    const moved = packed.map((stream) => stream.slice());
    const sizes = into.map((target) => target.length);
    const { lengths, bytes } = await this.#send((api) =>
      api.unpackMoved(
        codec,
        Comlink.transfer(
          moved,
          moved.map((stream) => stream.buffer),
        ),
        sizes,
      ),
    );
    let at = 0;
    for (const target of into) {
      target.set(bytes.subarray(at, at + target.length));
      at += target.length;
    }
    return lengths;
  }

  /** Runs a task on the least busy worker as soon as one has room for it. */
  async #send<T>(task: Task<T>): Promise<T> {
    let worker = this.#pick();
    while (worker === null) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      worker = this.#pick();
    }
    return await this.#runOn(worker, task);
  }

  #runOn<T>(worker: PoolWorker, task: Task<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      worker.held.add(reject);
      if (worker.held.size === 1) worker.handle.holdsWork?.(true);
      task(worker.api)
        .then((reply) => ('ok' in reply ? resolve(reply.ok) : reject(ImageError.fromPlain(reply.error))), reject)
        .finally(() => {
          worker.held.delete(reject);
          if (worker.held.size === 0) worker.handle.holdsWork?.(false);
          this.#waiting.shift()?.();
        });
    });
  }

  /** An idle worker, a new one, or the least busy that has room; null if all are full. */
  #pick(): PoolWorker | null {
    if (this.#closed) throw new ImageError('aborted', 'The kernel pool is closed');
    const best = this.#workers.reduce<PoolWorker | null>(
      (least, worker) => (least === null || worker.held.size < least.held.size ? worker : least),
      null,
    );
    if (best !== null && best.held.size === 0) return best;
    if (this.#workers.length < this.options.workers) return this.#start();
    return best !== null && best.held.size < DEPTH ? best : null;
  }

  #start(): PoolWorker {
    const handle = this.#spawn();
    const worker: PoolWorker = { handle, api: Comlink.wrap<WorkerApi>(handle.endpoint), held: new Set() };
    handle.onFailure((cause) => this.#bury(worker, cause));
    this.#workers.push(worker);
    worker.api.start(this.options.module).catch((cause: unknown) => this.#bury(worker, cause));
    return worker;
  }

  #spawn(): KernelWorkerHandle {
    try {
      return this.options.spawn();
    } catch (cause) {
      throw new ImageError('io', `Could not start a kernel worker: ${reasonOf(cause)}`, { cause });
    }
  }

  #bury(worker: PoolWorker, cause: unknown): void {
    const index = this.#workers.indexOf(worker);
    if (index < 0) return;
    this.#workers.splice(index, 1);
    worker.handle.terminate();
    const error = new ImageError('io', `A kernel worker has died: ${reasonOf(cause)}`, { cause });
    for (const reject of worker.held) reject(error);
    for (const retry of this.#waiting.splice(0)) retry();
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function isShared(bytes: Uint8Array): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && bytes.buffer instanceof SharedArrayBuffer;
}
