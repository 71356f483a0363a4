/** Files in memory with holes, cheap to copy: what mutants are made of and what is written from them. */
import { ImageError } from '../../src/errors.js';
import type { MaybePromise } from '../../src/maybe.js';
import type { ByteStore, StorageExtent } from '../../src/storage/storage.js';

const PAGE = 64 * 1024;

/** As file systems refuse them; bytes. */
const LARGEST_FILE = 2 ** 44;

/** The content of a file: a page that is absent is a hole. */
export class PagedFile {
  /** Pages that other copies have too: written to only after copying. */
  readonly #shared = new Set<number>();

  constructor(
    public size = 0,
    readonly pages = new Map<number, Uint8Array>(),
  ) {}

  static of(bytes: Uint8Array): PagedFile {
    const file = new PagedFile(bytes.length);
    for (let at = 0; at < bytes.length; at += PAGE) {
      const part = bytes.subarray(at, at + PAGE);
      if (part.some((byte) => byte !== 0)) file.write(at, part);
    }
    file.size = bytes.length;
    return file;
  }

  /** Shares all pages until one side writes to them. */
  copy(): PagedFile {
    const twin = new PagedFile(this.size, new Map(this.pages));
    for (const index of this.pages.keys()) {
      this.#shared.add(index);
      twin.#shared.add(index);
    }
    return twin;
  }

  read(offset: number, into: Uint8Array): void {
    this.#each(offset, into.length, (index, from, start, end) => {
      const page = this.pages.get(index);
      if (page === undefined) into.fill(0, start, end);
      else into.set(page.subarray(from, from + end - start), start);
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#each(offset, bytes.length, (index, from, start, end) =>
      this.#own(index).set(bytes.subarray(start, end), from),
    );
    this.size = Math.max(this.size, offset + bytes.length);
  }

  zero(offset: number, length: number): void {
    const first = Math.floor(offset / PAGE);
    const last = Math.floor((offset + length - 1) / PAGE);
    for (const index of this.pages.keys()) {
      if (index < first || index > last) continue;
      const from = Math.max(0, offset - index * PAGE);
      const to = Math.min(PAGE, offset + length - index * PAGE);
      if (to - from === PAGE) this.pages.delete(index);
      else this.#own(index).fill(0, from, to);
    }
    this.size = Math.max(this.size, offset + length);
  }

  truncate(size: number): void {
    if (size < this.size) this.zero(size, this.size - size);
    this.size = size;
  }

  #own(index: number): Uint8Array {
    const page = this.pages.get(index);
    if (page !== undefined && !this.#shared.has(index)) return page;
    const own = page?.slice() ?? new Uint8Array(PAGE);
    this.#shared.delete(index);
    this.pages.set(index, own);
    return own;
  }

  /** Cuts a range at the pages: page, place in it, and the part of the range. */
  #each(offset: number, length: number, act: (index: number, from: number, start: number, end: number) => void): void {
    for (let start = 0; start < length; ) {
      const index = Math.floor((offset + start) / PAGE);
      const from = offset + start - index * PAGE;
      const end = Math.min(length, start + PAGE - from);
      act(index, from, start, end);
      start = end;
    }
  }
}

export interface PagedStoreOptions {
  /** Answers come later, as those of a network. */
  late: boolean;
  /** Bytes of pages that the file may take. */
  room: number;
  /** What was never written reads as zeros. */
  fresh: boolean;
  onClose(): void;
}

/** A `PagedFile` as storage. */
export class PagedStore implements ByteStore {
  readonly transfer = 256 * 1024;
  readonly readsZero: boolean;

  constructor(
    readonly name: string,
    readonly file: PagedFile,
    private readonly options: PagedStoreOptions,
  ) {
    this.readsZero = options.fresh;
  }

  get size(): number {
    return this.file.size;
  }

  allocated(): number {
    return this.file.pages.size * PAGE;
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (!(offset >= 0 && Number.isSafeInteger(offset)) || offset + into.length > this.size)
      throw new ImageError('io', 'Input/output error', { file: this.name, offset });
    return this.#done(() => this.file.read(offset, into));
  }

  extents(offset: number, length: number): StorageExtent[] {
    if (offset < 0 || length <= 0 || offset + length > this.size)
      throw new RangeError(`extents of [${offset}, ${offset + length}) in a file of ${this.size} bytes`);
    const hole = !this.file.pages.has(Math.floor(offset / PAGE));
    let end = offset;
    while (end < offset + length && hole === !this.file.pages.has(Math.floor(end / PAGE)))
      end = hole && this.file.pages.size === 0 ? offset + length : (Math.floor(end / PAGE) + 1) * PAGE;
    return [{ start: offset, length: Math.min(end - offset, length), hole }];
  }

  write(offset: number, bytes: Uint8Array): MaybePromise<void> {
    this.#checkEnd(offset, bytes.length);
    if (this.allocated() + bytes.length > this.options.room)
      throw new ImageError('no-space', 'No space left on device');
    return this.#done(() => this.file.write(offset, bytes));
  }

  zero(offset: number, length: number): MaybePromise<void> {
    this.#checkEnd(offset, length);
    return this.#done(() => this.file.zero(offset, length));
  }

  async truncate(size: number): Promise<void> {
    this.#checkEnd(size, 0);
    this.file.truncate(size);
  }

  async preallocate(size: number): Promise<void> {
    await this.truncate(Math.max(size, this.size));
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.options.onClose();
  }

  #checkEnd(offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0)) throw new RangeError(`writing ${length} bytes at ${offset}`);
    if (offset + length > LARGEST_FILE) throw new ImageError('io', 'File too large', { file: this.name, offset });
  }

  #done(act: () => void): MaybePromise<void> {
    if (!this.options.late) return act();
    return Promise.resolve().then(act);
  }
}
