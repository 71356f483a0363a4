/**
 * Tables of an image (block maps, L1 and L2 tables, …): paged through one bounded cache.
 *
 * A page (`TablePage`) is a stretch of a table: a whole table where clusters are small, 64 KiB of it where they are
 * large. Pages are aligned to their size in the file and never larger than a cluster, so a page never holds anything
 * but the table; where tables are not aligned to clusters, a `TableRegion` says where the only one lies. What has not been used lately goes first; a 1 TiB image costs no more memory than a small one.
 *
 * Reading: `page(offset)` is synchronous when the page is there.
 *
 * Writing (needs a sink): get a page, change its `view`, call `markDirty(page)`; all three without an `await` between
 * them. `create(offset)` gives a page of zeros for a table that is new, without reading. A dirty page is written when
 * it has to make room, and by `flush`. In which order pages reach the file is not promised: whoever needs one table on
 * disk before another calls `flush` in between. With `holdsDirty` only `flush` writes, so that the file changes when its
 * owner says so; the owner then flushes whenever `isCrowded`.
 */
import { viewOf } from '../bytes.js';
import { corrupt } from '../errors.js';
import { isPending, type MaybePromise } from '../maybe.js';
import type { StorageEvent } from '../storage/events.js';
import { readPadded } from '../storage/padded.js';
import type { ByteSink, ByteSource } from '../storage/storage.js';

/** Bytes of table that are read at once at most; as QEMU's `l2-cache-entry-size`. */
const LARGEST_PAGE = 64 * 1024;
/** Bytes of table in memory by default; as QEMU's `l2-cache-size`. */
export const DEFAULT_TABLE_MEMORY = 32 * 1024 * 1024;
/** Fewer pages than this would be read again and again, whatever the budget. */
const FEWEST_PAGES = 16;
/** One page in so many is evicted when the cache is full. */
const EVICTED_PART = 16;

export interface TablePage {
  /** Host offset of the page's first byte. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Over `bytes`; entries are big-endian. */
  readonly view: DataView;
}

/** Where the tables lie, if that is one place: pages begin at its start, and the last one ends at its end. */
export interface TableRegion {
  readonly start: number;
  readonly end: number;
}

const WHOLE_FILE: TableRegion = { start: 0, end: Number.POSITIVE_INFINITY };

interface CachedPage extends TablePage {
  dirty: boolean;
  /** It was asked for since it was last considered for eviction. */
  used: boolean;
  /** The write that is under way; the next one of the same page waits for it. */
  writing: Promise<void> | null;
}

export class TableCache {
  /** Bytes of a page; a power of two. */
  readonly pageSize: number;
  readonly #source: ByteSource;
  readonly #sink: ByteSink | null;
  readonly #capacity: number;
  /** The next candidates for eviction first; one that was used since gets a second chance at the end. */
  readonly #pages = new Map<number, CachedPage>();
  readonly #loading = new Map<number, Promise<CachedPage>>();
  /** The page of the last answer: table walks ask for the same one again and again. */
  #latest: CachedPage | null = null;
  #dirtyCount = 0;
  #slab = new Uint8Array(0);
  #slabUsed = 0;

  constructor(
    source: ByteSource,
    sink: ByteSink | null,
    clusterSize: number,
    memory = DEFAULT_TABLE_MEMORY,
    private readonly holdsDirty = false,
    private readonly region: TableRegion = WHOLE_FILE,
  ) {
    this.#source = source;
    this.#sink = sink;
    this.pageSize = Math.min(clusterSize, LARGEST_PAGE);
    this.#capacity = Math.max(FEWEST_PAGES, Math.floor(memory / this.pageSize));
  }

  /**
   * The page that holds the byte at host `offset`. Bytes beyond the end of the file are zeros; a page that lies
   * entirely beyond it throws `corrupt`.
   *
   * @param event announced if the page has to be read
   */
  page(offset: number, event?: StorageEvent): MaybePromise<TablePage> {
    const start = offset - ((offset - this.region.start) % this.pageSize);
    if (this.#latest?.offset === start) return this.#latest;
    const page = this.#pages.get(start);
    if (page === undefined) return this.#loading.get(start) ?? this.#load(start, event);
    page.used = true;
    this.#latest = page;
    return page;
  }

  /** A page of zeros at host `offset` (a multiple of `pageSize`), dirty; replaces what was there. */
  create(offset: number): MaybePromise<TablePage> {
    const page = this.#newPage(offset);
    this.#drop(offset);
    this.#setDirty(page, true);
    return this.#insert(page);
  }

  /** Call it after each change, in the same turn as `page` or `create` delivered. */
  markDirty(page: TablePage): void {
    const cached = this.#pages.get(page.offset);
    if (cached !== page) throw new Error(`table page ${page.offset} was changed after it had left the cache`);
    this.#setDirty(cached, true);
  }

  /** Half of the pages or more are dirty. */
  get isCrowded(): boolean {
    return 2 * this.#dirtyCount >= this.#capacity;
  }

  /** Forgets the pages of [offset, offset + length) without writing them: their clusters are free now. */
  discard(offset: number, length: number): void {
    for (let at = offset; at < offset + length; at += this.pageSize) this.#drop(at);
  }

  /**
   * Writes all dirty pages, by ascending offset, so that neighbours meet in the storage's write-behind.
   *
   * @param accepts only the pages at these host offsets
   * @param event announced before each of them
   */
  async flush(accepts: (offset: number) => boolean = () => true, event?: StorageEvent): Promise<void> {
    const dirty = [...this.#pages.values()]
      .filter((page) => (page.dirty || page.writing) && accepts(page.offset))
      .sort((a, b) => a.offset - b.offset);
    for (const page of dirty) {
      if (event !== undefined) this.#source.announce?.(event);
      const pending = this.#writeBack(page);
      if (isPending(pending)) await pending;
    }
  }

  #load(start: number, event: StorageEvent | undefined): MaybePromise<CachedPage> {
    if (start >= this.#source.size)
      throw corrupt(`Table at offset ${start} lies beyond the end of the file`, { offset: start });
    const page = this.#newPage(start);
    if (event !== undefined) this.#source.announce?.(event);
    const pending = readPadded(this.#source, start, page.bytes);
    if (!isPending(pending)) return this.#insert(page);
    const loading = pending.then(() => this.#insert(page)).finally(() => this.#loading.delete(start));
    this.#loading.set(start, loading);
    return loading;
  }

  /** Small pages are cut from larger pieces of memory: the engine's own cost of a piece exceeds that of 512 bytes. */
  #newPage(offset: number): CachedPage {
    const size = Math.min(this.pageSize, this.region.end - offset);
    if (this.#slabUsed + size > this.#slab.length) {
      this.#slab = new Uint8Array(LARGEST_PAGE);
      this.#slabUsed = 0;
    }
    const bytes = this.#slab.subarray(this.#slabUsed, this.#slabUsed + size);
    this.#slabUsed += size;
    return { offset, bytes, view: viewOf(bytes), dirty: false, used: false, writing: null };
  }

  #insert(page: CachedPage): MaybePromise<CachedPage> {
    this.#pages.delete(page.offset);
    this.#pages.set(page.offset, page);
    this.#latest = page;
    const making = this.#makeRoom();
    return isPending(making) ? making.then(() => page) : page;
  }

  /**
   * Evicts several pages at once when there are too many: finding the first entry of a map again and again costs more
   * than walking it. Each page is considered twice at most; dirty pages that are held, and the latest, stay.
   */
  #makeRoom(): MaybePromise<void> {
    if (this.#pages.size <= this.#capacity) return;
    const enough = this.#capacity - Math.floor(this.#capacity / EVICTED_PART);
    let candidates = 2 * this.#pages.size;
    for (const page of this.#pages.values()) {
      if (this.#pages.size <= enough || candidates-- === 0) return;
      if (page.used || page === this.#latest || (this.holdsDirty && page.dirty)) {
        page.used = false;
        this.#pages.delete(page.offset);
        this.#pages.set(page.offset, page);
        continue;
      }
      const pending = this.#writeBack(page);
      if (isPending(pending)) return pending.then(() => this.#makeRoom());
      this.#drop(page.offset);
    }
  }

  #drop(offset: number): void {
    const page = this.#pages.get(offset);
    if (page === undefined) return;
    this.#setDirty(page, false);
    this.#pages.delete(offset);
    if (this.#latest === page) this.#latest = null;
  }

  #setDirty(page: CachedPage, isDirty: boolean): void {
    if (page.dirty !== isDirty) this.#dirtyCount += isDirty ? 1 : -1;
    page.dirty = isDirty;
  }

  #writeBack(page: CachedPage): MaybePromise<void> {
    if (page.writing !== null) return page.writing.then(() => this.#writeBack(page));
    if (!page.dirty) return;
    if (this.#sink === null) throw new Error('a table page of a read-only image is dirty');
    // Before the write, not after it: a change that comes while the write is under way makes the page dirty again.
    this.#setDirty(page, false);
    const pending = this.#sink.write(page.offset, page.bytes);
    if (!isPending(pending)) return;
    page.writing = pending.finally(() => {
      page.writing = null;
    });
    return page.writing;
  }
}
