/**
 * Received bytes, handed to a parser that asks for them.
 *
 * A parser is a generator: it yields what it needs next and goes on when that is there. It runs inside the transport's
 * callback, so that the memory for the *next* bytes is known before the transport reads them: a large payload is then
 * read from the socket directly to where it belongs.
 *
 * What a parser yields:
 * - a number: it gets a view of that many bytes, valid until it yields again;
 * - an array: it gets the same array, filled.
 */
import { ImageError } from '../../errors.js';
import type { Receiver } from './connection.js';

/** A parser that returns `T`. */
export type Parser<T> = Generator<number | Uint8Array, T, Uint8Array>;

/**
 * Small messages are received here, several at once. A larger scratch makes large reads dearer, as more of each payload's
 * start is copied, a smaller one small reads, as each takes more system calls; 16 to 64 KiB do well at both.
 */
const SCRATCH_SIZE = 32 * 1024;

/** An array with at least this many bytes to fill is filled by the transport itself, smaller ones by way of the scratch. */
const DIRECT_SIZE = SCRATCH_SIZE;

export class Inbox implements Receiver {
  readonly #scratch = new Uint8Array(SCRATCH_SIZE);
  /** The unread bytes of the scratch are [start, end). */
  #start = 0;
  #end = 0;
  #parser: Parser<unknown> | null = null;
  #demand: number | Uint8Array = 0;
  /** Bytes of the demanded array that are filled. */
  #filled = 0;
  /** The transport was given the demanded array, not the scratch. */
  #direct = false;
  #closed: ImageError | null = null;
  #finish: ((value: unknown) => void) | null = null;
  #fail: ((reason: unknown) => void) | null = null;

  /** Runs a parser over the bytes from here on. Rejects with what the parser throws, or why the connection closed. */
  run<T>(parser: Parser<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#parser = parser;
      this.#finish = resolve as (value: unknown) => void;
      this.#fail = reject;
      this.#step(() => parser.next());
      this.#advance();
      if (this.#closed !== null) this.#stop(this.#closed);
    });
  }

  space(): Uint8Array {
    const demand = this.#demand;
    this.#direct = typeof demand === 'object' && demand.length - this.#filled >= DIRECT_SIZE;
    if (this.#direct) return (demand as Uint8Array).subarray(this.#filled);
    if (this.#start > 0) {
      this.#scratch.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    if (this.#end === SCRATCH_SIZE) throw new ImageError('io', 'The server sends what it was not asked for');
    return this.#scratch.subarray(this.#end);
  }

  received(count: number): void {
    if (this.#direct) this.#filled += count;
    else this.#end += count;
    this.#advance();
  }

  closed(reason: ImageError): void {
    this.#closed = reason;
    this.#stop(reason);
  }

  /** Feeds the parser for as long as there are bytes for it. */
  #advance(): void {
    while (this.#parser !== null) {
      const bytes = this.#satisfied();
      if (bytes === null) return;
      const parser = this.#parser;
      this.#step(() => parser.next(bytes));
    }
  }

  /** What the parser demanded, if it is all there. */
  #satisfied(): Uint8Array | null {
    const demand = this.#demand;
    if (typeof demand === 'number') {
      if (this.#end - this.#start < demand) return null;
      this.#start += demand;
      return this.#scratch.subarray(this.#start - demand, this.#start);
    }
    const count = Math.min(demand.length - this.#filled, this.#end - this.#start);
    demand.set(this.#scratch.subarray(this.#start, this.#start + count), this.#filled);
    this.#start += count;
    this.#filled += count;
    return this.#filled === demand.length ? demand : null;
  }

  #step(next: () => IteratorResult<number | Uint8Array, unknown>): void {
    try {
      const { done, value } = next();
      this.#filled = 0;
      if (done) this.#succeed(value);
      else this.#demand = value as number | Uint8Array;
    } catch (error) {
      this.#stop(error);
    }
  }

  #succeed(value: unknown): void {
    const finish = this.#finish;
    this.#release();
    finish?.(value);
  }

  #stop(reason: unknown): void {
    const fail = this.#fail;
    this.#release();
    fail?.(reason);
  }

  #release(): void {
    this.#parser = null;
    this.#demand = 0;
    this.#finish = null;
    this.#fail = null;
  }
}
