/**
 * Small reads of a storage on which every read costs a while, whatever its length: the whole aligned window around a
 * small read is fetched, and the last few windows are kept, so that tables are read from memory. A large read goes past
 * them.
 */
import type { MaybePromise } from '../maybe.js';

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

export class ReadWindows {
  /** By number, least recently used first. */
  readonly #windows = new Map<number, Window>();

  /** `fetch` fills all of `into` from `offset`, or throws. */
  constructor(private readonly fetch: (offset: number, into: Uint8Array) => Promise<void>) {}

  /** Fills all of `into` from `offset`; the range lies inside the storage, which is `size` bytes long. */
  read(offset: number, into: Uint8Array, size: number): MaybePromise<void> {
    if (into.length >= BULK) return this.fetch(offset, into);
    const first = Math.floor(offset / WINDOW);
    const last = Math.floor((offset + into.length - 1) / WINDOW);
    const windows: Window[] = [];
    for (let index = first; index <= last; index++) windows.push(this.#window(index, size));
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

  clear(): void {
    this.#windows.clear();
  }

  #window(index: number, size: number): Window {
    const kept = this.#windows.get(index);
    this.#windows.delete(index);
    const window = kept ?? this.#load(index, size);
    this.#windows.set(index, window);
    for (const [oldest] of this.#windows) {
      if (this.#windows.size <= WINDOWS) break;
      this.#windows.delete(oldest);
    }
    return window;
  }

  #load(index: number, size: number): Window {
    const offset = index * WINDOW;
    const window: Window = { bytes: new Uint8Array(Math.min(WINDOW, size - offset)), loading: null };
    window.loading = this.fetch(offset, window.bytes).then(
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
}
