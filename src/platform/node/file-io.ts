/**
 * Whole reads and writes at a position.
 *
 * Small transfers are synchronous: 3 microseconds from the page cache, where a trip through libuv's thread pool takes
 * 30 to 100. But only as long as they *are* quick: after one that had to wait for the device (a cold cache, a throttled
 * disk, a network file system) the next ones go to the pool, so that slow storage is worked on many requests at a time.
 * Large transfers always go to the pool, whose threads copy on the other cores meanwhile. What is small is said below.
 */
import { read, readSync, write, writeSync } from 'node:fs';
import { ImageError } from '../../errors.js';
import type { MaybePromise } from '../../maybe.js';
import { errorName, systemError } from './errno.js';

/**
 * Writes up to this many bytes may be synchronous. A run is read on this thread, which scans it next while it is in the
 * processor's cache, and written on another, for writing takes twice as long.
 */
const SMALL_WRITE = 64 * 1024;

/** A synchronous transfer that takes longer (milliseconds) has met the device. */
const SLOW = 2;

/** So many small transfers go to the thread pool before a synchronous one is tried again. */
const PENANCE = 64;

type Callback = (error: Error | null, count: number) => void;

/** One direction of transfer over one file descriptor. */
export class Channel {
  #asynchronous = 0;

  /** @param small transfers up to this many bytes may be synchronous */
  constructor(
    readonly file: string | undefined,
    readonly small: number,
    readonly direct: (fd: number, bytes: Uint8Array, from: number, length: number, position: number) => number,
    readonly pooled: (
      fd: number,
      bytes: Uint8Array,
      from: number,
      length: number,
      position: number,
      done: Callback,
    ) => void,
  ) {}

  transfer(fd: number, offset: number, bytes: Uint8Array): MaybePromise<void> {
    let done = 0;
    if (bytes.length === 0) return undefined;
    if (bytes.length <= this.small) {
      if (this.#asynchronous === 0) done = this.#atOnce(fd, offset, bytes);
      else this.#asynchronous--;
    }
    return done === bytes.length ? undefined : this.#onPool(fd, offset, bytes, done);
  }

  /** Bytes done; fewer than asked for are no error. */
  #atOnce(fd: number, offset: number, bytes: Uint8Array): number {
    const started = performance.now();
    try {
      return this.direct(fd, bytes, 0, bytes.length, offset);
    } catch (error) {
      if (isTransient(error)) return 0;
      throw systemError(error, { file: this.file, offset });
    } finally {
      if (performance.now() - started > SLOW) this.#asynchronous = PENANCE;
    }
  }

  #onPool(fd: number, offset: number, bytes: Uint8Array, from: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = from;
      const next = () => this.pooled(fd, bytes, done, bytes.length - done, offset + done, step);
      const step: Callback = (error, count) => {
        if (error) {
          if (isTransient(error)) next();
          else reject(systemError(error, { file: this.file, offset: offset + done }));
          return;
        }
        // Nothing more to read (the file has shrunk), or nothing accepted: never wait for it.
        if (count === 0) return reject(new ImageError('io', 'Input/output error', { file: this.file, offset }));
        done += count;
        if (done === bytes.length) resolve();
        else next();
      };
      next();
    });
  }
}

function isTransient(error: unknown): boolean {
  const name = errorName(error);
  return name === 'EINTR' || name === 'EAGAIN';
}

/** Reads of one file, up to `small` bytes of them at once; `transfer` fills all of `bytes`. */
export function readChannel(file: string, small: number): Channel {
  return new Channel(file, small, readSync, read);
}

/** Writes of one file; `transfer` writes all of `bytes`. */
export function writeChannel(file?: string): Channel {
  return new Channel(file, SMALL_WRITE, writeSync, write);
}
