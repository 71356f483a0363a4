/** One table of equal entries in a file, paged through a `TableCache`. */
import { readU64, writeU64 } from '../../bytes.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSink } from '../../storage/storage.js';
import type { TableCache, TablePage } from '../table-cache.js';

/** How an entry is stored. 64-bit values above 2^53-1 are `corrupt`. */
export interface EntryType {
  readonly size: number;
  get(view: DataView, at: number): number;
  set(view: DataView, at: number, value: number): void;
}

function u32(little: boolean): EntryType {
  return { size: 4, get: (v, at) => v.getUint32(at, little), set: (v, at, x) => v.setUint32(at, x, little) };
}

function u64(little: boolean): EntryType {
  return { size: 8, get: (v, at) => readU64(v, at, little), set: (v, at, x) => writeU64(v, at, x, little) };
}

export const U32_LE = u32(true);
export const U32_BE = u32(false);
export const U64_LE = u64(true);
export const U64_BE = u64(false);

export class EntryTable {
  /**
   * @param offset byte of the file at which the table begins
   * @param count entries; an index beyond it is a mistake of the caller, who may set it as the disk grows
   */
  constructor(
    readonly cache: TableCache,
    readonly offset: number,
    public count: number,
    readonly type: EntryType,
  ) {}

  /** Bytes of the table. */
  get length(): number {
    return this.count * this.type.size;
  }

  /** Throws `corrupt` where the table lies beyond the end of the file. */
  get(index: number): MaybePromise<number> {
    const at = this.offset + index * this.type.size;
    const page = this.cache.page(at);
    if (isPending(page)) return page.then((arrived) => this.type.get(arrived.view, at - arrived.offset));
    return this.type.get(page.view, at - page.offset);
  }

  set(index: number, value: number): MaybePromise<void> {
    const at = this.offset + index * this.type.size;
    const page = this.cache.page(at);
    if (isPending(page)) return page.then((arrived) => this.#change(arrived, at, value));
    this.#change(page, at, value);
  }

  #change(page: TablePage, at: number, value: number): void {
    this.type.set(page.view, at - page.offset, value);
    this.cache.markDirty(page);
  }
}

/** Bytes that are written at once. */
const CHUNK = 64 * 1024;

/** Writes a new table of `count` entries whose values follow from their index. */
export async function writeTable(
  sink: ByteSink,
  offset: number,
  count: number,
  type: EntryType,
  entryAt: (index: number) => number,
): Promise<void> {
  const perChunk = CHUNK / type.size;
  for (let first = 0; first < count; first += perChunk) {
    const entries = Math.min(perChunk, count - first);
    const bytes = new Uint8Array(entries * type.size);
    const view = new DataView(bytes.buffer);
    for (let index = 0; index < entries; index++) type.set(view, index * type.size, entryAt(first + index));
    await sink.write(offset + first * type.size, bytes);
  }
}
