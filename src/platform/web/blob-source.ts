/**
 * A Blob or File as storage.
 *
 * Every slice read costs one to two milliseconds whatever its length, so a small read fetches the whole aligned
 * window around it and keeps the last few windows: tables are then read from memory. A large read goes straight into
 * the caller's buffer: by slice, or, from the second of two reads that follow each other, by stream (`BlobStream`).
 */
import { ImageError } from '../../errors.js';
import type { MaybePromise } from '../../maybe.js';
import type { ByteSource } from '../../storage/storage.js';
import { BlobStream } from './blob-stream.js';
import { storageError } from './dom-errors.js';

/** Bytes of a window. Larger ones cost more than they save when clusters lie scattered. */
const WINDOW = 256 * 1024;
/** Windows kept: 8 MiB. */
const WINDOWS = 32;
/** Reads from this length on are not kept. */
const BULK = WINDOW / 2;

interface Window {
  readonly bytes: Uint8Array;
  /** null: `bytes` are there. */
  loading: Promise<void> | null;
}

export class BlobSource implements ByteSource {
  readonly transfer = 2 * 1024 * 1024;
  readonly #blob: Blob;
  /** By number, least recently used first. */
  readonly #windows = new Map<number, Window>();
  #stream: BlobStream | undefined;
  /** Where the last slice ended: a read that begins there makes it a sequence. */
  #sliceEnd = -1;

  /** `name` is for messages; a File brings its own. */
  constructor(
    blob: Blob,
    readonly name: string = blob instanceof File ? blob.name : 'blob',
  ) {
    this.#blob = blob;
  }

  get size(): number {
    return this.#blob.size;
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (offset < 0 || offset + into.length > this.size)
      throw new ImageError('io', 'Input/output error', { file: this.name, offset });
    if (into.length === 0) return;
    return into.length < BULK ? this.#readWindows(offset, into) : this.#fetch(offset, into);
  }

  async close(): Promise<void> {
    this.#windows.clear();
    await this.#stream?.cancel().catch(() => {});
    this.#stream = undefined;
  }

  #readWindows(offset: number, into: Uint8Array): MaybePromise<void> {
    const first = Math.floor(offset / WINDOW);
    const last = Math.floor((offset + into.length - 1) / WINDOW);
    const windows: Window[] = [];
    for (let index = first; index <= last; index++) windows.push(this.#window(index));
    const copy = () => {
      for (const [i, { bytes }] of windows.entries()) {
        const start = (first + i) * WINDOW;
        const from = Math.max(0, offset - start);
        into.set(bytes.subarray(from, offset + into.length - start), start + from - offset);
      }
    };
    const loading = windows.flatMap((window) => window.loading ?? []);
    return loading.length === 0 ? copy() : Promise.all(loading).then(copy);
  }

  #window(index: number): Window {
    const kept = this.#windows.get(index);
    this.#windows.delete(index);
    const window = kept ?? this.#load(index);
    this.#windows.set(index, window);
    for (const [oldest] of this.#windows) {
      if (this.#windows.size <= WINDOWS) break;
      this.#windows.delete(oldest);
    }
    return window;
  }

  #load(index: number): Window {
    const offset = index * WINDOW;
    const window: Window = { bytes: new Uint8Array(Math.min(WINDOW, this.size - offset)), loading: null };
    window.loading = this.#fetch(offset, window.bytes).then(
      () => {
        window.loading = null;
      },
      (thrown: unknown) => {
        if (this.#windows.get(index) === window) this.#windows.delete(index);
        throw thrown;
      },
    );
    return window;
  }

  async #fetch(offset: number, into: Uint8Array): Promise<void> {
    try {
      await (this.#streamTo(offset)?.read(offset, into) ?? this.#slice(offset, into));
    } catch (thrown) {
      throw storageError(thrown, this.name, offset);
    }
  }

  /** The stream that can serve `offset`, opened if this read continues the last slice. */
  #streamTo(offset: number): BlobStream | undefined {
    if (this.#stream?.reaches(offset)) return this.#stream;
    if (offset !== this.#sliceEnd) return undefined;
    this.#stream?.cancel().catch(() => {});
    this.#stream = BlobStream.open(this.#blob, offset);
    return this.#stream;
  }

  async #slice(offset: number, into: Uint8Array): Promise<void> {
    this.#sliceEnd = offset + into.length;
    const bytes = new Uint8Array(await this.#blob.slice(offset, this.#sliceEnd).arrayBuffer());
    if (bytes.length !== into.length) throw new DOMException('the file is shorter now', 'NotReadableError');
    into.set(bytes);
  }
}
