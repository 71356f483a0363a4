/**
 * A file of the origin private file system, through its sync access handle: the fastest storage a browser has.
 *
 * Reads and writes are done when the call returns, in any order and at any size, and views over wasm memory need no
 * copy. Sync access handles exist in dedicated workers only, one at a time per file.
 */
import { ImageError } from '../../errors.js';
import type { ByteStore } from '../../storage/storage.js';
import { storageError } from './dom-errors.js';

/** What zeros are written from, where a hole cannot be made. */
const ZEROS = new Uint8Array(1024 * 1024);

export class OpfsStore implements ByteStore {
  readonly transfer = 2 * 1024 * 1024;
  readonly readsZero: boolean;
  readonly name: string;
  readonly #handle: FileSystemSyncAccessHandle;
  #size: number;
  #open = true;

  /** For a handle that is open already; `empty` says that the file holds nothing yet. */
  constructor(name: string, handle: FileSystemSyncAccessHandle, empty: boolean) {
    this.name = name;
    this.#handle = handle;
    this.#size = handle.getSize();
    this.readsZero = empty;
  }

  /**
   * Opens `file` and empties it. Throws `locked` while another handle to it is open, in any tab.
   *
   * The handle that empties is not the one that writes: file systems write a file out when the first handle after its
   * emptying is closed (ext4's auto_da_alloc), and the end of a conversion would wait for that. An empty file is not
   * emptied again, for the same reason.
   *
   * `name` is what messages call it; files of OPFS may have names that say nothing.
   */
  static async create(file: FileSystemFileHandle, name: string = file.name): Promise<OpfsStore> {
    const handle = await openHandle(file, name);
    if (handle.getSize() === 0) return new OpfsStore(name, handle, true);
    try {
      handle.truncate(0);
    } catch (thrown) {
      throw storageError(thrown, name);
    } finally {
      handle.close();
    }
    return new OpfsStore(name, await openHandle(file, name), true);
  }

  /** Opens `file` as it is. Throws `locked` while another handle to it is open, in any tab. */
  static async open(file: FileSystemFileHandle): Promise<OpfsStore> {
    return new OpfsStore(file.name, await openHandle(file, file.name), false);
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, into: Uint8Array): void {
    this.#attempt(offset, () => {
      for (let done = 0; done < into.length; ) {
        const count = this.#handle.read(into.subarray(done), { at: offset + done });
        if (count === 0) throw new ImageError('io', 'Input/output error', { file: this.name, offset: offset + done });
        done += count;
      }
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#attempt(offset, () => {
      for (let done = 0; done < bytes.length; ) {
        const count = this.#handle.write(bytes.subarray(done), { at: offset + done });
        if (count === 0) throw new DOMException('nothing was written', 'QuotaExceededError');
        done += count;
      }
      this.#size = Math.max(this.#size, offset + bytes.length);
    });
  }

  /** What lies beyond the end becomes a hole; OPFS cannot punch one, so the rest is written. */
  zero(offset: number, length: number): void {
    const end = offset + length;
    const written = Math.min(end, this.#size);
    for (let at = offset; at < written; at += ZEROS.length) this.write(at, ZEROS.subarray(0, written - at));
    if (end > this.#size) this.#resize(end);
  }

  /**
   * Growing makes a hole, which costs nothing but counts against the quota in full: a target of unknown content
   * should be grown by writing it.
   */
  async truncate(size: number): Promise<void> {
    this.#resize(size);
  }

  /** Drops the content, if it can; what is written afterwards is kept. */
  empty(): void {
    if (this.#open) this.#resize(0);
  }

  async flush(): Promise<void> {
    this.#attempt(0, () => this.#handle.flush());
  }

  async close(): Promise<void> {
    if (this.#open) this.#handle.close();
    this.#open = false;
  }

  /** Private windows have been seen to accept a large size and not to take it, so the result is checked. */
  #resize(size: number): void {
    this.#attempt(size, () => {
      this.#handle.truncate(size);
      if (this.#handle.getSize() !== size) throw new DOMException('the file did not grow', 'QuotaExceededError');
      this.#size = size;
    });
  }

  #attempt(offset: number, action: () => void): void {
    try {
      action();
    } catch (thrown) {
      throw storageError(thrown, this.name, offset);
    }
  }
}

async function openHandle(file: FileSystemFileHandle, name: string): Promise<FileSystemSyncAccessHandle> {
  try {
    return await file.createSyncAccessHandle();
  } catch (thrown) {
    throw storageError(thrown, name);
  }
}
