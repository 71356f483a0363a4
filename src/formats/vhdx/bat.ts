/**
 * The block allocation table, in pages: the table of a large disk with small blocks has hundreds of megabytes.
 *
 * A page is asked for, and if it is changed, marked as such in the same turn. Changed pages are written when they have to
 * make room, and by `flush`.
 */
import { viewOf } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import { BAT_ENTRY_SIZE, MIB } from './layout.js';
import { batLength, chunkRatio, type DiskShape } from './metadata.js';
import type { Region } from './regions.js';

const PAGE_SIZE = 64 * 1024;
const MOST_PAGES = 64;
export const ENTRIES_PER_PAGE = PAGE_SIZE / BAT_ENTRY_SIZE;

/** One entry: what its block is, and where in the file, in bytes. */
export interface BatEntry {
  state: number;
  offset: number;
}

interface Page {
  view: DataView;
  bytes: Uint8Array;
  dirty: boolean;
}

export class Bat {
  readonly #ratio: number;
  /** The least recently used first. */
  readonly #pages = new Map<number, Page>();
  readonly #loading = new Map<number, Promise<Page>>();

  /** Throws `corrupt` for a table that is too small for the disk, or beyond the end of the file. */
  constructor(
    private readonly source: ByteSource,
    private readonly sink: ByteSink | null,
    private readonly region: Region,
    shape: DiskShape,
  ) {
    this.#ratio = chunkRatio(shape);
    const length = batLength(shape);
    if (length > region.length) throw corrupt('The VHDX block allocation table is too small for the disk');
    if (region.offset + length > source.size) throw corrupt('The VHDX block allocation table ends beyond the file');
  }

  /** Where the entry of payload block `block` is in the table. */
  indexOf(block: number): number {
    return block + Math.floor(block / this.#ratio);
  }

  /** Where the entry of the sector bitmap is that describes payload block `block`. */
  bitmapIndexOf(block: number): number {
    return (Math.floor(block / this.#ratio) + 1) * (this.#ratio + 1) - 1;
  }

  /** Makes `entry(index)` available for all entries of the page that holds `index`. */
  load(index: number): MaybePromise<void> {
    const page = this.#page(Math.floor(index / ENTRIES_PER_PAGE));
    if (isPending(page)) return page.then(() => {});
  }

  /** An entry of a page that was loaded in the same turn. */
  entry(index: number): BatEntry {
    const { view } = this.#pages.get(Math.floor(index / ENTRIES_PER_PAGE))!;
    const at = (index % ENTRIES_PER_PAGE) * BAT_ENTRY_SIZE;
    const low = view.getUint32(at, true);
    const offset = (view.getUint32(at + 4, true) * 2 ** 12 + (low >>> 20)) * MIB;
    return { state: low & 7, offset };
  }

  /** Changes an entry of a page that was loaded in the same turn. `offset`: a multiple of 1 MiB. */
  setEntry(index: number, { state, offset }: BatEntry): void {
    const page = this.#pages.get(Math.floor(index / ENTRIES_PER_PAGE))!;
    const at = (index % ENTRIES_PER_PAGE) * BAT_ENTRY_SIZE;
    const megabytes = offset / MIB;
    page.view.setUint32(at, ((megabytes % 2 ** 12) * MIB + state) >>> 0, true);
    page.view.setUint32(at + 4, Math.floor(megabytes / 2 ** 12), true);
    page.dirty = true;
  }

  async flush(): Promise<void> {
    for (const [number, page] of this.#pages) {
      const pending = this.#writeBack(number, page);
      if (isPending(pending)) await pending;
    }
  }

  #page(number: number): MaybePromise<Page> {
    const page = this.#pages.get(number);
    if (page === undefined) return this.#loading.get(number) ?? this.#load(number);
    this.#pages.delete(number);
    this.#pages.set(number, page);
    return page;
  }

  #load(number: number): MaybePromise<Page> {
    const bytes = new Uint8Array(Math.min(PAGE_SIZE, this.region.length - number * PAGE_SIZE));
    const offset = this.region.offset + number * PAGE_SIZE;
    const stored = Math.min(bytes.length, this.source.size - offset);
    const page = { view: viewOf(bytes), bytes, dirty: false };
    const pending = this.source.read(offset, bytes.subarray(0, stored));
    if (!isPending(pending)) return this.#insert(number, page);
    const loading = pending.then(() => this.#insert(number, page)).finally(() => this.#loading.delete(number));
    this.#loading.set(number, loading);
    return loading;
  }

  #insert(number: number, page: Page): MaybePromise<Page> {
    this.#pages.set(number, page);
    if (this.#pages.size <= MOST_PAGES) return page;
    const [oldest, victim] = this.#pages.entries().next().value!;
    const pending = this.#writeBack(oldest, victim);
    const drop = () => {
      if (!victim.dirty) this.#pages.delete(oldest);
      return page;
    };
    return isPending(pending) ? pending.then(drop) : drop();
  }

  #writeBack(number: number, page: Page): MaybePromise<void> {
    if (!page.dirty || this.sink === null) return;
    page.dirty = false;
    return this.sink.write(this.region.offset + number * PAGE_SIZE, page.bytes);
  }
}
