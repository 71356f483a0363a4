/**
 * One forward pass over a Blob.
 *
 * A slice read costs one to two milliseconds whatever its length; a byte stream costs that once and then delivers as
 * fast as the browser can copy. Reads must therefore come in (nearly) ascending order: a small step back, into the
 * sector that two compressed clusters share, is answered from the bytes kept of the last read, and a small gap, such
 * as a table between two stretches of data, is read and dropped.
 */
import { ImageError } from '../../errors.js';
import type { Loan } from '../../loan.js';

declare global {
  interface ReadableStreamBYOBReader {
    /** Resolves once at least `min` elements are there, or the stream has ended; browsers without it ignore it. */
    read<T extends ArrayBufferView>(view: T, options: { min: number }): Promise<ReadableStreamReadResult<T>>;
  }
}

/** Bytes of one request to the stream, and of the memory that it fills: where the measured throughput levels off. */
const STAGING = 2 * 1024 * 1024;
/** Bytes kept of the last read, for a step back. */
const STEP_BACK = 4096;
/** Bytes worth dropping rather than opening another stream: about what arrives in the time that takes. */
const GAP = 1024 * 1024;

/**
 * Streams with a read under way. Chromium collects a reader that only its own pending read refers to, and then never
 * settles that read; while a conversion waits for the source, everything else hangs on that one promise too.
 */
const pending = new Set<BlobStream>();

export class BlobStream {
  readonly #reader: ReadableStreamBYOBReader;
  readonly #start: number;
  #staging = new Uint8Array(STAGING);
  /** Memory of the same size that was lent and is back. A fresh one would cost a page fault every 4 KiB. */
  readonly #spare: ArrayBuffer[] = [];
  /** The bytes before `#position`, at most STEP_BACK of them. */
  #last: Uint8Array = new Uint8Array(0);
  /** Where the stream stands. */
  #position: number;
  /** Where it will stand when all queued reads are done. */
  #next: number;
  #queue: Promise<void> = Promise.resolve();

  private constructor(reader: ReadableStreamBYOBReader, offset: number) {
    this.#reader = reader;
    this.#start = offset;
    this.#position = offset;
    this.#next = offset;
  }

  /** A pass that begins at `offset`; undefined where Blobs have no byte streams (Safari). */
  static open(blob: Blob, offset: number): BlobStream | undefined {
    const stream = blob.slice(offset).stream();
    try {
      return new BlobStream(stream.getReader({ mode: 'byob' }), offset);
    } catch (thrown) {
      if (thrown instanceof TypeError) return undefined;
      throw thrown;
    }
  }

  /** The range that begins at `offset` is near enough to where the queued reads will leave the stream. */
  reaches(offset: number): boolean {
    return offset >= Math.max(this.#start, this.#next - STEP_BACK) && offset <= this.#next + GAP;
  }

  /** Fills `into` from `offset`, after the reads before it; `offset` must be one that the stream `reaches`. */
  read(offset: number, into: Uint8Array): Promise<void> {
    this.#next = Math.max(this.#next, offset + into.length);
    return this.#afterOthers(() => this.#fill(offset, into));
  }

  /** The next bytes in the memory that the browser fills; null unless they begin at `offset` and fit into it. */
  lend(offset: number, length: number): Promise<Loan> | null {
    if (offset !== this.#next || length > STAGING) return null;
    this.#next += length;
    return this.#afterOthers(() => this.#take(length));
  }

  #afterOthers<T>(read: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(read);
    this.#queue = done.then(
      () => {},
      () => {},
    );
    return done;
  }

  /** Ends the pass once the queued reads are done. */
  async cancel(): Promise<void> {
    await this.#queue;
    await this.#reader.cancel();
  }

  async #fill(offset: number, into: Uint8Array): Promise<void> {
    let filled = this.#stepBack(offset, into);
    while (this.#position < offset) await this.#pull(offset - this.#position);
    while (filled < into.length) {
      const bytes = await this.#pull(into.length - filled);
      into.set(bytes, filled);
      filled += bytes.length;
    }
  }

  /** Serves what lies before the stream's position; returns how many bytes that were. */
  #stepBack(offset: number, into: Uint8Array): number {
    const back = this.#position - offset;
    if (back <= 0) return 0;
    if (back > this.#last.length) throw new ImageError('io', 'Input/output error', { offset });
    const start = this.#last.length - back;
    const bytes = this.#last.subarray(start, start + into.length);
    into.set(bytes);
    return bytes.length;
  }

  /** The next bytes, at most `wanted`; valid until the next call. */
  async #pull(wanted: number): Promise<Uint8Array> {
    const value = await this.#request(this.#staging.subarray(0, Math.min(wanted, STAGING)));
    this.#staging = new Uint8Array(value.buffer);
    return value;
  }

  async #take(length: number): Promise<Loan> {
    let memory = this.#spare.pop() ?? new ArrayBuffer(STAGING);
    for (let filled = 0; filled < length; ) {
      const value = await this.#request(new Uint8Array(memory, filled, length - filled));
      memory = value.buffer;
      filled += value.length;
    }
    let isLent = true;
    return {
      bytes: new Uint8Array(memory, 0, length),
      release: () => {
        if (isLent) this.#spare.push(memory);
        isLent = false;
      },
    };
  }

  /** Has the memory of `view` filled, as far as the browser likes, which hands it back as another object. */
  async #request(view: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    pending.add(this);
    try {
      const { value } = await this.#reader.read(view, { min: view.length });
      if (value === undefined || value.length === 0) throw new DOMException('the stream ended', 'NotReadableError');
      this.#remember(value);
      return value;
    } finally {
      pending.delete(this);
    }
  }

  #remember(bytes: Uint8Array): void {
    this.#position += bytes.length;
    if (bytes.length >= STEP_BACK) {
      this.#last = bytes.slice(-STEP_BACK);
      return;
    }
    const joined = new Uint8Array(this.#last.length + bytes.length);
    joined.set(this.#last);
    joined.set(bytes, this.#last.length);
    this.#last = joined.slice(-STEP_BACK);
  }
}
