/**
 * The converter: prepare in parallel, place in order.
 *
 *     plan ─► run ─► read ─► scan, compress ─┐
 *     plan ─► run ─► read ─► scan, compress ─┼─► queue, first in, first out ─► place ─► write
 *     plan ─► run ─► read ─► scan, compress ─┘
 *
 * Up to `parallel` runs are in flight, from the first byte read to the last byte written, or to where nothing but zeros
 * was found. Whatever order they get ready in, they are placed in the order of the disk, so the target's layout depends
 * on the input alone. Writes start in that order too and may overlap. With `outOfOrder` a target of fixed layout takes
 * runs as they get ready.
 *
 * The first error ends it: nothing new starts, what is in flight is waited for, and that error is thrown.
 */

import { roundUp } from '../bytes.js';
import { ImageError, throwIfAborted } from '../errors.js';
import type { Image, ImageWriter, PreparedRun } from '../image/image.js';
import type { Kernels } from '../kernels/kernels.js';
import type { Loan } from '../loan.js';
import { Plan, type Run, type StatusRules } from './plan.js';
import { packRun, splitRun } from './prepare.js';
import { DataSteps, OffsetSteps, type ProgressSteps, REQUEST } from './progress-steps.js';
import { readSalvaging, type Salvage } from './salvage.js';
import { passesStreams, RunStreams } from './streams.js';
import { Throttle } from './throttle.js';

export interface ConvertOptions {
  /** Runs in flight, 1 to 16 (-m). */
  parallel: number;
  /** Place in any order where the target's layout allows it (-W). */
  outOfOrder: boolean;
  /** Shortest stretch of zeros in bytes that is not written (-S); 0: all is written. */
  sparse: number;
  /** The target has a backing file of this many bytes: copy only what the source's top layer holds. */
  targetBacking: { size: number } | null;
  /** Largest data run in bytes: the largest `transfer` of the storages; default 512 KiB. */
  runSize?: number;
  /** Told of each range that could not be read and was replaced by zeros (--salvage); null: reading must succeed. */
  salvage?: Salvage | null;
  /** Bytes a second (-r); null: no limit. */
  rate?: number | null;
  /** Copies a guest range inside the storage (-C); false: it can't, from now on do it by reading and writing. */
  copyRange?: (offset: number, length: number) => Promise<boolean>;
  signal?: AbortSignal;
  /** Bytes that are done, of all; ascending. Guest bytes, or with `countsData` bytes of data. */
  onProgress?: (done: number, total: number) => void;
  /**
   * Progress counts data alone, in `qemu-img`'s steps, as what reads its output expects. To know how much there is, the
   * source's whole map is walked first.
   */
  countsData?: boolean;
}

export interface ConvertReport {
  /** Bytes written as plain data, and bytes of compressed streams. */
  plainBytes: number;
  packedBytes: number;
}

const RUN_SIZE = 512 * 1024;

const READING = 'error while reading at byte';

/** Copies all of `source` to `target` and finishes it. Closes neither. */
export async function convertImage(
  source: Image,
  target: ImageWriter,
  kernels: Kernels,
  options: ConvertOptions,
): Promise<ConvertReport> {
  const conversion = new Conversion(source, target, kernels, options);
  await conversion.run();
  throwIfAborted(options.signal);
  await target.finish();
  return conversion.report;
}

/** In place of memory that has yet to be lent. */
const AWAITED: Loan = { bytes: new Uint8Array(0), release() {} };

/** A run on its way. */
interface Entry {
  run: Run;
  /** The kernels' memory, or the source's; null: its bytes are not or no longer needed. */
  buffer: Loan | null;
  /** Of the units that are taken over compressed; null: none can be. */
  streams: RunStreams | null;
  /** Set when it is ready to be placed; null: nothing to place. */
  prepared: PreparedRun | null | undefined;
}

class Conversion {
  readonly report: ConvertReport = { plainBytes: 0, packedBytes: 0 };
  readonly #plan: Plan;
  readonly #rules: StatusRules;
  #steps: ProgressSteps;
  readonly #throttle: Throttle | null;
  /** In the order of the disk, the next to be placed first. */
  readonly #queue: Entry[] = [];
  /** Runs that hold a buffer. */
  #inFlight = 0;
  /** Writes under way of runs that hold none: zeros, where the target must be told of them. */
  #bareWrites = 0;
  #placing = false;
  readonly #tell = (done: number, total: number) => this.options.onProgress?.(done, total);
  #failure: unknown;
  #wake: (() => void) | null = null;
  #copyRange: ConvertOptions['copyRange'];
  readonly #takesStreams: boolean;
  /** The source's memory will do: nobody else works on it, and nothing has to be read again. */
  readonly #lends: boolean;

  constructor(
    private readonly source: Image,
    private readonly target: ImageWriter,
    private readonly kernels: Kernels,
    private readonly options: ConvertOptions,
  ) {
    this.#copyRange = options.copyRange;
    // What has to be salvaged is read in parts.
    this.#takesStreams = !options.salvage && passesStreams(source, target.encoding);
    this.#lends = target.encoding === null && !options.salvage && options.copyRange === undefined;
    this.#throttle = options.rate ? new Throttle(options.rate) : null;
    this.#rules = { zeroIsData: options.sparse === 0, targetBacking: options.targetBacking };
    this.#plan = new Plan(source, {
      unit: target.unit,
      runSize: roundUp(options.runSize ?? RUN_SIZE, target.unit),
      ...this.#rules,
    });
    this.#steps = new OffsetSteps(source.size, this.#tell);
  }

  async run(): Promise<void> {
    const { signal } = this.options;
    const abort = () => this.#fail(new ImageError('aborted', 'The operation was cancelled', { cause: signal?.reason }));
    signal?.addEventListener('abort', abort);
    try {
      if (this.options.countsData) {
        const request = this.target.encoding?.unit ?? REQUEST;
        this.#steps = await DataSteps.of(this.source, this.#rules, request, this.#tell);
      }
      await this.#copyAll();
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    this.#steps.finish();
  }

  async #copyAll(): Promise<void> {
    try {
      for (;;) {
        throwIfAborted(this.options.signal);
        if (this.#failure !== undefined) break;
        const run = await this.#planNext();
        if (run === null) break;
        this.#start(run);
        while (this.#isFull()) await this.#change();
      }
    } catch (error) {
      this.#fail(error);
    }
    while (
      this.#inFlight > 0 ||
      this.#bareWrites > 0 ||
      this.#placing ||
      (this.#queue.length > 0 && this.#failure === undefined)
    ) {
      await this.#change();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #planNext(): Promise<Run | null> {
    try {
      return await this.#plan.next();
    } catch (error) {
      throw explain(error, 'error while reading block status at offset', this.#plan.position);
    }
  }

  #start(run: Run): void {
    const entry: Entry = { run, buffer: null, streams: null, prepared: undefined };
    if (run.kind === 'zero') {
      const { offset, length } = run;
      entry.prepared = this.target.readsZero ? null : { offset, length, pieces: [{ kind: 'zero', offset, length }] };
      this.#queue.push(entry);
      this.#placeReady();
      return;
    }
    const loan = this.#lends ? (this.source.lend?.(run.offset, run.length) ?? null) : null;
    // The kernels come to life with the first buffer, and there may be no memory for them.
    entry.buffer = loan === null ? this.kernels.buffer(run.length) : AWAITED;
    this.#queue.push(entry);
    this.#inFlight++;
    this.#prepare(entry, loan).then(
      (prepared) => {
        entry.prepared = prepared;
        // Zeros that had to be read to be found wait for their turn without a buffer: what comes after them is read.
        if (this.#failure !== undefined || !holdsBytes(prepared)) this.#release(entry);
        if (this.#failure === undefined) this.#placeReady();
      },
      (error) => {
        this.#release(entry);
        this.#fail(error);
      },
    );
  }

  async #prepare(entry: Entry, loan: Promise<Loan> | null): Promise<PreparedRun | null> {
    const { offset, length } = entry.run;
    const { encoding } = this.target;
    const { sparse } = this.options;
    if (this.#copyRange !== undefined && (await this.#offload(offset, length))) return null;
    if (encoding !== null && this.#takesStreams) entry.streams = new RunStreams(this.kernels, offset, length, encoding);
    if (loan !== null) entry.buffer = await this.#borrow(offset, loan);
    const { bytes } = entry.buffer!;
    if (loan === null) await this.#read(offset, bytes, entry.streams);
    const prepared =
      encoding === null
        ? splitRun(this.kernels, offset, bytes, sparse)
        : await packRun(this.kernels, offset, bytes, encoding, sparse, entry.streams);
    const { extentStarts, extentEnd } = entry.run;
    if (extentStarts !== undefined) prepared.extentStarts = extentStarts;
    if (extentEnd !== undefined) prepared.extentEnd = extentEnd;
    return prepared;
  }

  async #offload(offset: number, length: number): Promise<boolean> {
    const done = await this.#copyRange?.(offset, length);
    if (!done) this.#copyRange = undefined;
    return done === true;
  }

  async #borrow(offset: number, loan: Promise<Loan>): Promise<Loan> {
    try {
      return await loan;
    } catch (error) {
      throw explain(error, READING, offset);
    }
  }

  async #read(offset: number, bytes: Uint8Array, streams: RunStreams | null): Promise<void> {
    try {
      await (streams === null ? this.source.read(offset, bytes) : this.source.readPacked!(offset, bytes, streams.take));
    } catch (error) {
      const { salvage, signal } = this.options;
      if (!salvage) throw explain(error, READING, offset);
      await readSalvaging(this.source, offset, bytes, salvage, signal);
    }
  }

  /** Places what is ready, one entry after the other. */
  async #placeReady(): Promise<void> {
    if (this.#placing) return;
    this.#placing = true;
    try {
      for (let entry = this.#takeReady(); entry !== undefined; entry = this.#takeReady()) await this.#place(entry);
    } catch (error) {
      this.#fail(error);
    }
    this.#placing = false;
    this.#notify();
  }

  /** The next entry that may be placed; after a failure the ready ones are only released. */
  #takeReady(): Entry | undefined {
    if (this.#failure !== undefined) {
      for (const entry of this.#queue.splice(0)) if (entry.prepared !== undefined) this.#release(entry);
      return undefined;
    }
    const anyOrder = this.options.outOfOrder && this.target.unordered;
    const index = anyOrder ? this.#queue.findIndex((entry) => entry.prepared !== undefined) : 0;
    if (this.#queue[index]?.prepared === undefined) return undefined;
    return this.#queue.splice(index, 1)[0];
  }

  async #place(entry: Entry): Promise<void> {
    const { run, prepared } = entry;
    try {
      const write = prepared ? await this.target.place(prepared) : undefined;
      if (write !== undefined) {
        await this.#waitForRate(prepared!);
        const written = write();
        if (written instanceof Promise) {
          this.#finishLater(entry, written);
          return;
        }
      }
    } catch (error) {
      this.#release(entry);
      throw explain(error, 'error while writing at byte', run.offset);
    }
    this.#finished(entry);
  }

  #finishLater(entry: Entry, written: Promise<void>): void {
    const isBare = entry.buffer === null;
    const ended = () => {
      if (!isBare) return;
      this.#bareWrites--;
      this.#notify();
    };
    if (isBare) this.#bareWrites++;
    written
      .then(
        () => this.#finished(entry),
        (error) => {
          this.#release(entry);
          this.#fail(explain(error, 'error while writing at byte', entry.run.offset));
        },
      )
      .then(ended);
  }

  #finished(entry: Entry): void {
    for (const piece of entry.prepared?.pieces ?? []) {
      if (piece.kind === 'data') this.report.plainBytes += piece.length;
      if (piece.kind === 'packed') this.report.packedBytes += piece.bytes.length;
    }
    this.#release(entry);
    const { offset, length, data } = entry.run;
    this.#steps.done(offset + length, data);
  }

  async #waitForRate(prepared: PreparedRun): Promise<void> {
    if (this.#throttle === null) return;
    const bytes = prepared.pieces.reduce((sum, piece) => sum + (piece.kind === 'zero' ? 0 : piece.bytes.length), 0);
    const delay = this.#throttle.delay(bytes);
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    throwIfAborted(this.options.signal);
  }

  #release(entry: Entry): void {
    if (entry.buffer === null) return;
    entry.buffer.release();
    entry.streams?.release();
    entry.buffer = null;
    this.#inFlight--;
    this.#notify();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#takeReady();
    this.#notify();
  }

  /** Zero runs hold no buffer but must not pile up either. */
  #isFull(): boolean {
    const { parallel } = this.options;
    const busy = this.#inFlight >= parallel || this.#bareWrites >= parallel || this.#queue.length >= 4 * parallel;
    return this.#failure === undefined && busy;
  }

  /** Waits until something has been placed, written or failed. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

function holdsBytes(prepared: PreparedRun | null): boolean {
  return prepared?.pieces.some(({ kind }) => kind !== 'zero') ?? false;
}

/** The same failure, saying what was being done; an abort stays as it is. */
function explain(error: unknown, doing: string, at: number): unknown {
  if (!(error instanceof ImageError) || error.code === 'aborted') return error;
  return new ImageError(error.code, `${doing} ${at}: ${error.message}`, { file: error.file, offset: at, cause: error });
}
