/** A grain directory with the grain tables that it leads to; all entries are sectors of the file. */
import { corrupt } from '../../errors.js';
import { EntryTable, U32_LE } from '../../image/blocks/entry-table.js';
import { TableCache } from '../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import { KnownHole } from '../../storage/known-hole.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import { SECTOR } from './layout.js';
import type { SparseShape } from './sparse-header.js';

const DIRECTORY_PAGE = 64 * 1024;
/** Bytes of a directory in memory: more than a disk of 2 TiB with grains of 64 KiB has. */
const DIRECTORY_MEMORY = 1024 * 1024;

export class GrainTables {
  readonly #directory: EntryTable;
  readonly #cache: TableCache;
  /** null: the tables may be changed, and holes with them. */
  readonly #hole: KnownHole | null;

  /**
   * @param offset byte of the file at which the directory begins
   * @param sink null: the tables are only read
   * @param memory bytes of grain tables in memory
   */
  constructor(
    source: ByteSource,
    sink: ByteSink | null,
    readonly offset: number,
    private readonly shape: SparseShape,
    memory: number,
  ) {
    const { directoryEntries } = shape;
    const region = { start: offset, end: offset + directoryEntries * U32_LE.size };
    const cache = new TableCache(source, sink, DIRECTORY_PAGE, DIRECTORY_MEMORY, true, region);
    this.#directory = new EntryTable(cache, offset, directoryEntries, U32_LE);
    // tables begin at any sector
    this.#cache = new TableCache(source, sink, SECTOR, memory, true);
    this.#hole = sink === null ? new KnownHole(source) : null;
  }

  /** Bytes of a grain table. */
  get tableSize(): number {
    return this.shape.entriesPerTable * U32_LE.size;
  }

  /** Byte of the file at which table `index` begins; 0: there is none. */
  tableAt(index: number): MaybePromise<number> {
    const entry = this.#directory.get(index);
    return isPending(entry) ? entry.then((sector) => sector * SECTOR) : entry * SECTOR;
  }

  /** The entry of grain `index`, 0 where it has no table. */
  get(index: number): MaybePromise<number> {
    const table = this.tableAt(Math.floor(index / this.shape.entriesPerTable));
    return isPending(table) ? table.then((at) => this.#read(at, index)) : this.#read(table, index);
  }

  /** How many entries from that of grain `index` on, which has just been read as 0, are 0 as far as is known at once. */
  absentFrom(index: number): number {
    const { entriesPerTable } = this.shape;
    const rest = entriesPerTable - (index % entriesPerTable);
    const table = this.tableAt(Math.floor(index / entriesPerTable));
    if (isPending(table)) return 1;
    if (table === 0) return rest;
    const at = table + this.#within(index);
    const end = at + rest * U32_LE.size;
    const zeros = this.#zerosFrom(at, end);
    // A whole page of zeros may be the beginning of a hole.
    const mayGoOn = zeros < end && zeros % SECTOR === 0;
    const stop = mayGoOn ? Math.min(end, this.#hole?.find(zeros) ?? zeros) : zeros;
    return Math.max(1, Math.floor((stop - at) / U32_LE.size));
  }

  /** Where the zeros that begin at byte `at` of the file end, at the latest with their page or at `end`. */
  #zerosFrom(at: number, end: number): number {
    const hole = this.#hole?.endAt(at) ?? at;
    if (hole > at) return Math.min(end, hole);
    const page = this.#cache.page(at);
    if (isPending(page)) return at;
    const stop = Math.min(end, page.offset + SECTOR);
    let zeros = at;
    while (zeros < stop && page.view.getUint32(zeros - page.offset, true) === 0) zeros += U32_LE.size;
    return zeros;
  }

  /** The grain's entry if its table is in memory together with that of the grain before; null: not known. */
  peekBehind(index: number): number | null {
    const within = index % this.shape.entriesPerTable;
    if (within === 0 || (within * U32_LE.size) % SECTOR === 0) return null;
    const entry = this.get(index);
    return isPending(entry) ? null : entry;
  }

  /** Changes an entry of a table that is there. */
  async set(index: number, value: number): Promise<void> {
    const at = (await this.tableAt(Math.floor(index / this.shape.entriesPerTable))) + this.#within(index);
    const page = this.#cache.page(at);
    const { view, offset } = isPending(page) ? await page : page;
    view.setUint32(at - offset, value, true);
    // the page may have been evicted and come back while it was waited for, but not since
    this.#cache.markDirty(isPending(page) ? await page : page);
  }

  /** Enters a new table of zeros, which begins at a byte of the file. */
  async addTable(index: number, offset: number): Promise<void> {
    for (let at = offset; at < offset + this.tableSize; at += SECTOR) await this.#cache.create(at);
    await this.#directory.set(index, offset / SECTOR);
  }

  get isCrowded(): boolean {
    return this.#cache.isCrowded || this.#directory.cache.isCrowded;
  }

  /** Tables before the directory that leads to them. */
  async commit(): Promise<void> {
    await this.#cache.flush();
    await this.#directory.cache.flush();
  }

  /**
   * Throws `corrupt` if there are more tables than the file has room for: some of them overlap, and a small file would
   * claim an endless disk.
   */
  async check(fileSize: number): Promise<void> {
    const { directoryEntries } = this.shape;
    if (this.offset + directoryEntries * U32_LE.size > fileSize)
      throw corrupt('The grain directory ends beyond the end of the file');
    const room = Math.ceil(fileSize / this.tableSize);
    let tables = 0;
    for (let index = 0; index < directoryEntries; index++) {
      const at = this.tableAt(index);
      if ((isPending(at) ? await at : at) !== 0) tables++;
      if (tables > room) throw corrupt('The extent has more grain tables than its file has room for');
    }
  }

  #within(index: number): number {
    return (index % this.shape.entriesPerTable) * U32_LE.size;
  }

  #read(table: number, index: number): MaybePromise<number> {
    if (table === 0) return 0;
    const at = table + this.#within(index);
    if (this.#hole !== null && this.#hole.endAt(at) >= at + U32_LE.size) return 0;
    const page = this.#cache.page(at);
    if (isPending(page)) return page.then((arrived) => arrived.view.getUint32(at - arrived.offset, true));
    return page.view.getUint32(at - page.offset, true);
  }
}
