/**
 * Block maps in two levels: an L1 table whose entries lead to L2 tables, whose entries lead to blocks (QED, qcow).
 *
 * The L1 table lies in one place; L2 tables are made when they are needed, at the end of the file.
 */
import { roundDown } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { TableCache } from '../table-cache.js';
import type { AppendSpace } from './append-space.js';
import { type BlockPlace, type PackedBlock, UNALLOCATED, type WritableBlockMap, ZERO } from './block-map.js';
import type { EntryTable } from './entry-table.js';

/** How a format stores such a map. */
export interface TwoLevelRules {
  readonly blockSize: number;
  readonly l1: EntryTable;
  /** Pages of it are at most as large as an L2 table, and tables are aligned to them. */
  readonly l2Cache: TableCache;
  /** Entries of an L2 table, and bytes of one. */
  readonly l2Entries: number;
  readonly entrySize: number;
  /** Multiple of bytes at which L2 tables begin. */
  readonly tableAlignment: number;
  /** Bytes of the file, for checks; grows while the image is written. */
  fileSize(): number;
  /** Throws `corrupt` for an L1 entry that cannot be right; 0 is not asked for. */
  checkTable(offset: number): void;
  /** Throws `corrupt` for an entry that cannot be right. */
  readPlace(view: DataView, at: number): BlockPlace;
  writePlace(view: DataView, at: number, place: BlockPlace): void;
  /** There is an entry for zeros. */
  readonly hasZeroEntry: boolean;
  /** An L2 table lies before the first block that it leads to, not behind it. */
  readonly tablesFirst: boolean;
  /** Streams of compressed blocks follow each other at multiples of so many bytes; null: there are none. */
  readonly packedAlignment: number | null;
}

export class TwoLevelMap implements WritableBlockMap {
  readonly blockSize: number;
  readonly markZero?: (index: number) => MaybePromise<void>;
  readonly allocatePacked?: (index: number, length: number) => MaybePromise<number>;

  constructor(
    readonly rules: TwoLevelRules,
    private readonly space: AppendSpace,
  ) {
    this.blockSize = rules.blockSize;
    if (rules.hasZeroEntry) this.markZero = (index) => this.#assign(index, ZERO);
    const { packedAlignment } = rules;
    if (packedAlignment !== null)
      this.allocatePacked = (index, length) => this.#allocatePacked(index, length, packedAlignment);
  }

  /**
   * Throws `corrupt` if there are more L2 tables than the file has room for: some of them overlap, and a small file
   * would claim an endless disk.
   */
  async checkTables(): Promise<void> {
    const { l1, l2Entries, entrySize } = this.rules;
    const room = Math.ceil(this.rules.fileSize() / (l2Entries * entrySize));
    let tables = 0;
    for (let index = 0; index < l1.count; index++) {
      const entry = l1.get(index);
      if ((isPending(entry) ? await entry : entry) === 0) continue;
      tables++;
      if (tables > room) throw corrupt('The image has more L2 tables than its file has room for');
    }
  }

  find(index: number): MaybePromise<BlockPlace> {
    const table = this.rules.l1.get(Math.floor(index / this.rules.l2Entries));
    return isPending(table) ? table.then((arrived) => this.#findIn(arrived, index)) : this.#findIn(table, index);
  }

  /** All that a missing L2 table would hold. */
  absentFrom(index: number): number {
    const { l1, l2Entries } = this.rules;
    const table = l1.get(Math.floor(index / l2Entries));
    return table === 0 ? l2Entries - (index % l2Entries) : 1;
  }

  async allocate(index: number, expected: number): Promise<number> {
    if (this.rules.tablesFirst) await this.#table(index);
    else if (expected > 1) await this.#reserve(index, expected);
    const host = this.#takeReserved(index) ?? this.space.take(this.blockSize, this.blockSize);
    await this.#assign(index, host);
    return host;
  }

  /** Blocks that had to come before their L2 table. */
  #reserved = { first: 0, end: 0, host: 0 };

  /** Takes space for `count` blocks, as far as they share an L2 table that has to be made. */
  async #reserve(index: number, count: number): Promise<void> {
    const { l1, l2Entries } = this.rules;
    if ((await l1.get(Math.floor(index / l2Entries))) !== 0) return;
    const end = Math.min(index + count, roundDown(index, l2Entries) + l2Entries);
    const host = this.space.take((end - index) * this.blockSize, this.blockSize);
    this.#reserved = { first: index, end, host };
  }

  #takeReserved(index: number): number | null {
    const { first, end, host } = this.#reserved;
    return index >= first && index < end ? host + (index - first) * this.blockSize : null;
  }

  get isCrowded(): boolean {
    return this.rules.l2Cache.isCrowded || this.rules.l1.cache.isCrowded;
  }

  /** L2 tables before the L1 table that refers to them. */
  async commit(): Promise<void> {
    await this.rules.l2Cache.flush(undefined, 'l2_update');
    await this.rules.l1.cache.flush(undefined, 'l1_update');
  }

  async #allocatePacked(index: number, length: number, alignment: number): Promise<number> {
    if (this.rules.tablesFirst) await this.#table(index);
    const host = this.space.take(length, alignment);
    await this.#assign(index, { host, length });
    return host;
  }

  #findIn(table: number, index: number): MaybePromise<BlockPlace> {
    if (table === 0) return UNALLOCATED;
    this.rules.checkTable(table);
    const { l2Cache, l2Entries, entrySize } = this.rules;
    const at = table + (index % l2Entries) * entrySize;
    const page = l2Cache.page(at, 'l2_load');
    if (isPending(page)) return page.then((arrived) => this.rules.readPlace(arrived.view, at - arrived.offset));
    return this.rules.readPlace(page.view, at - page.offset);
  }

  async #assign(index: number, place: number | PackedBlock): Promise<void> {
    const { l2Cache, l2Entries, entrySize } = this.rules;
    const table = await this.#table(index);
    const at = table + (index % l2Entries) * entrySize;
    const page = l2Cache.page(at, 'l2_load');
    const { view, offset } = isPending(page) ? await page : page;
    this.rules.writePlace(view, at - offset, place);
    // the page may have been evicted and come back while it was waited for, but not since
    l2Cache.markDirty(isPending(page) ? await page : page);
  }

  /** The L2 table of block `index`, made if need be. */
  async #table(index: number): Promise<number> {
    const { l1, l2Entries } = this.rules;
    const l1Index = Math.floor(index / l2Entries);
    let table = await l1.get(l1Index);
    if (table === 0) {
      table = await this.#newTable();
      await l1.set(l1Index, table);
    }
    this.rules.checkTable(table);
    return table;
  }

  async #newTable(): Promise<number> {
    const { l2Cache, l2Entries, entrySize, tableAlignment } = this.rules;
    const length = l2Entries * entrySize;
    const table = this.space.take(length, tableAlignment);
    for (let at = table; at < table + length; at += l2Cache.pageSize) await l2Cache.create(at);
    return table;
  }
}
