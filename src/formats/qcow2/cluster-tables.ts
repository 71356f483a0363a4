/**
 * L1 and L2 tables as a writer needs them: made on demand, never shared with a snapshot, changed entry by entry.
 *
 * Specification: QEMU, docs/interop/qcow2, "Cluster mapping", "Snapshots" and "Extended L2 entries". A table or a data
 * cluster whose entry has the "copied" bit belongs to the active disk alone and may be changed in place; without it a
 * snapshot may use it too, and a copy takes its place.
 */
import { corrupt } from '../../errors.js';
import type { TableCache, TablePage } from '../../image/table-cache.js';
import { isPending } from '../../maybe.js';
import { clusterSizeOf, hasDataFile, hasExtendedL2, l2CoverageOf, l2EntrySizeOf, type QcowHeader } from './header.js';
import type { HostSpace } from './host-space.js';
import {
  COPIED_HIGH,
  compressedHighOf,
  compressedLengthOf,
  compressedOffsetOf,
  ENTRY_SIZE,
  highOf,
  hostOffsetOf,
  isCompressed,
  isCopied,
  lowOf,
  SUBCLUSTERS,
  ZERO_LOW,
} from './layout.js';
import type { Refcounts } from './refcounts.js';
import { type Steps, settle } from './steps.js';

/** All bits of one half of a subcluster bitmap. */
const ALL_SUBCLUSTERS = 0xffffffff;

/** Where an entry is: its page and the byte in it. Good until the next `yield`. */
interface EntryPlace {
  page: TablePage;
  at: number;
}

/** A row of guest clusters that are alike: all to be allocated (`host` is null), or all in place, contiguous. */
export interface Row {
  count: number;
  /** Host offset of the first cluster. */
  host: number | null;
}

export class ClusterTables {
  readonly clusterSize: number;
  /** Guest bytes that one L2 table maps. */
  readonly coverage: number;
  readonly isExtended: boolean;
  readonly isExternal: boolean;
  readonly #entrySize: number;
  readonly #perPage: number;
  /** The table that was asked for last, by its index in the L1 table. */
  #current = { index: -1, offset: 0 };

  constructor(
    private readonly header: QcowHeader,
    private readonly tables: TableCache,
    private readonly refcounts: Refcounts,
    private readonly space: HostSpace,
  ) {
    this.clusterSize = clusterSizeOf(header);
    this.coverage = l2CoverageOf(header);
    this.isExtended = hasExtendedL2(header);
    this.isExternal = hasDataFile(header);
    this.#entrySize = l2EntrySizeOf(header);
    this.#perPage = tables.pageSize / this.#entrySize;
  }

  /** The tables have changed by other hands. */
  forget(): void {
    this.#current = { index: -1, offset: 0 };
  }

  /** Makes the empty L1 table of a new image. */
  *createL1(entries: number): Steps<void> {
    this.header.l1Size = entries;
    if (entries === 0) return;
    const bytes = entries * ENTRY_SIZE;
    const offset = yield* this.refcounts.allocate(Math.ceil(bytes / this.clusterSize));
    this.header.l1TableOffset = offset;
    this.space.claim(offset, bytes);
    for (let at = offset; at < offset + bytes; at += this.tables.pageSize) yield* settle(this.tables.create(at));
  }

  /** Host offset of the L2 table that maps guest offset `guest`; 0 if there is none. */
  *findTable(guest: number): Steps<number> {
    const { high, low } = yield* this.#l1Entry(Math.floor(guest / this.coverage));
    return hostOffsetOf(high, low);
  }

  /** Host offset of the L2 table that maps `guest`, one that may be changed: made or copied if need be. */
  *table(guest: number): Steps<number> {
    const index = Math.floor(guest / this.coverage);
    if (index === this.#current.index) return this.#current.offset;
    const { high, low } = yield* this.#l1Entry(index);
    const old = hostOffsetOf(high, low);
    if (old % this.clusterSize !== 0)
      throw corrupt(`L2 table offset 0x${old.toString(16)} unaligned (L1 index: 0x${index.toString(16)})`);
    if (isCopied(high)) {
      this.#current = { index, offset: old };
      return old;
    }
    const offset = yield* this.refcounts.allocate(1);
    this.space.claim(offset, this.clusterSize);
    yield* this.#fillTable(offset, old);
    const entry = yield* this.#l1Place(index);
    entry.page.view.setUint32(entry.at, (highOf(offset) | COPIED_HIGH) >>> 0);
    entry.page.view.setUint32(entry.at + 4, lowOf(offset));
    this.tables.markDirty(entry.page);
    if (old !== 0) yield* this.refcounts.free(old, this.clusterSize);
    this.#current = { index, offset };
    return offset;
  }

  /**
   * What a write into `table` from guest cluster `cluster` on meets: how many of `count` clusters in a row are to be
   * allocated, or are there already, side by side in the file.
   */
  *row(table: number, cluster: number, count: number): Steps<Row> {
    const first = yield* this.#place(table, cluster);
    const host = this.#hostInPlace(first.page.view, first.at);
    let { page, at } = first;
    let length = 1;
    for (; length < count; length++) {
      at += this.#entrySize;
      if (at === this.tables.pageSize) ({ page, at } = yield* this.#place(table, cluster + length));
      const expected = host === null ? null : host + length * this.clusterSize;
      if (this.#hostInPlace(page.view, at) !== expected) break;
    }
    return { count: length, host };
  }

  /**
   * Enters `count` clusters at host offset `host`, side by side, as data; gives up what was there before.
   *
   * @param from,to the guest bytes of the first and the last cluster that hold content, for extended L2 entries: the
   *   subclusters that they touch become allocated. With to = from none does (preallocation).
   */
  *enter(table: number, cluster: number, count: number, host: number, from: number, to: number): Steps<void> {
    let { page, at } = yield* this.#place(table, cluster);
    this.tables.markDirty(page);
    for (let index = 0; index < count; index++) {
      if (at === this.tables.pageSize) {
        ({ page, at } = yield* this.#place(table, cluster + index));
        this.tables.markDirty(page);
      }
      const { view } = page;
      const oldHigh = view.getUint32(at);
      const oldLow = view.getUint32(at + 4);
      const offset = host + index * this.clusterSize;
      view.setUint32(at, (highOf(offset) | COPIED_HIGH) >>> 0);
      view.setUint32(at + 4, lowOf(offset));
      if (this.isExtended) this.#setSubclusters(view, at, cluster + index, from, to);
      at += this.#entrySize;
      if ((oldHigh === 0 && oldLow === 0) || this.#refersTo(oldHigh, oldLow, offset)) continue;
      yield* this.#give(oldHigh, oldLow);
      if (index + 1 === count) return;
      // Another page may have taken the place of this one meanwhile.
      ({ page, at } = yield* this.#place(table, cluster + index + 1));
      this.tables.markDirty(page);
    }
  }

  /** Enters a compressed stream; gives up what was there before. */
  *enterPacked(table: number, cluster: number, host: number, length: number): Steps<void> {
    yield* this.#replace(table, cluster, compressedHighOf(host, length, this.header.clusterBits), lowOf(host), 0);
  }

  /** Makes `count` clusters read as zeros, or (`isZero` false) as nothing: unallocated. Gives up what was there. */
  *enterZeros(table: number, cluster: number, count: number, isZero: boolean): Steps<void> {
    for (let index = 0; index < count; index++) {
      if (isZero && this.isExternal) yield* this.#keepAsZero(table, cluster + index);
      else if (this.isExtended) yield* this.#replace(table, cluster + index, 0, 0, isZero ? ALL_SUBCLUSTERS : 0);
      else yield* this.#replace(table, cluster + index, 0, isZero ? ZERO_LOW : 0, 0);
    }
  }

  /** Makes what lies in the places of [start, end), whole clusters, read as zeros; the places stay. */
  *hide(start: number, end: number): Steps<void> {
    for (let guest = start; guest < end; guest += this.clusterSize) {
      const table = yield* this.table(guest);
      yield* this.#keepAsZero(table, Math.floor(guest / this.clusterSize));
    }
  }

  /** Takes the tables from the L1 table that its entries from index `from` on refer to; they have to be empty. */
  *dropTables(from: number): Steps<void> {
    for (let index = from; index < this.header.l1Size; index++) {
      const { page, at } = yield* this.#l1Place(index);
      const offset = hostOffsetOf(page.view.getUint32(at), page.view.getUint32(at + 4));
      if (offset === 0) continue;
      page.view.setUint32(at, 0);
      page.view.setUint32(at + 4, 0);
      this.tables.markDirty(page);
      this.tables.discard(offset, this.clusterSize);
      this.refcounts.unprotect(offset, this.clusterSize);
      yield* this.refcounts.free(offset, this.clusterSize);
    }
    this.#current = { index: -1, offset: 0 };
  }

  /** Whether the subcluster that holds guest offset `guest` holds data. Always true without extended L2 entries. */
  *holdsData(table: number, guest: number): Steps<boolean> {
    if (!this.isExtended) return true;
    const { page, at } = yield* this.#place(table, Math.floor(guest / this.clusterSize));
    return (page.view.getUint32(at + 12) & (1 << this.#subclusterOf(guest))) !== 0;
  }

  /** With extended L2 entries: whether subclusters may be given places without the others of their cluster. */
  *takesParts(table: number, cluster: number): Steps<boolean> {
    const { page, at } = yield* this.#place(table, cluster);
    const [high, low] = [page.view.getUint32(at), page.view.getUint32(at + 4)];
    if (this.#hostInPlace(page.view, at) !== null) return true;
    return !isCompressed(high) && hostOffsetOf(high, low) === 0;
  }

  /** Host pages of the L1 table, which must be in the file after the L2 tables. */
  isL1(offset: number): boolean {
    const { l1TableOffset, l1Size } = this.header;
    return offset >= l1TableOffset && offset < l1TableOffset + l1Size * ENTRY_SIZE;
  }

  *#fillTable(offset: number, old: number): Steps<void> {
    const { pageSize } = this.tables;
    for (let at = 0; at < this.clusterSize; at += pageSize) {
      const content = old === 0 ? null : (yield* settle(this.tables.page(old + at, 'l2_alloc_cow_read'))).bytes.slice();
      const page = yield* settle(this.tables.create(offset + at));
      if (content !== null) page.bytes.set(content);
    }
  }

  *#l1Entry(index: number): Steps<{ high: number; low: number }> {
    const { page, at } = yield* this.#l1Place(index);
    return { high: page.view.getUint32(at), low: page.view.getUint32(at + 4) };
  }

  *#l1Place(index: number): Steps<EntryPlace> {
    const offset = this.header.l1TableOffset + index * ENTRY_SIZE;
    const page = yield* settle(this.tables.page(offset));
    return { page, at: offset - page.offset };
  }

  *#place(table: number, cluster: number): Steps<EntryPlace> {
    const index = cluster % (this.clusterSize / this.#entrySize);
    const found = this.tables.page(table + index * this.#entrySize, 'l2_load');
    const page = isPending(found) ? yield* settle(found) : found;
    return { page, at: (index % this.#perPage) * this.#entrySize };
  }

  /** Host offset of the cluster that an entry names if it may be written in place. */
  #hostInPlace(view: DataView, at: number): number | null {
    const high = view.getUint32(at);
    if (!isCopied(high) || isCompressed(high)) return null;
    const offset = hostOffsetOf(high, view.getUint32(at + 4));
    if (offset === 0 && !this.isExternal) return null;
    if (offset % this.clusterSize !== 0) throw corrupt(`Data cluster offset 0x${offset.toString(16)} unaligned`);
    return offset;
  }

  #refersTo(high: number, low: number, offset: number): boolean {
    return !isCompressed(high) && hostOffsetOf(high, low) === offset;
  }

  #setSubclusters(view: DataView, at: number, cluster: number, from: number, to: number): void {
    const start = cluster * this.clusterSize;
    const first = Math.max(from, start);
    const last = Math.min(to, start + this.clusterSize) - 1;
    if (last < first) return;
    const bits = maskOf(this.#subclusterOf(first), this.#subclusterOf(last));
    view.setUint32(at + 8, (view.getUint32(at + 8) & ~bits) >>> 0);
    view.setUint32(at + 12, (view.getUint32(at + 12) | bits) >>> 0);
  }

  #subclusterOf(guest: number): number {
    return Math.floor((guest % this.clusterSize) / (this.clusterSize / SUBCLUSTERS));
  }

  /** @param zeroBits the upper half of an extended entry's bitmap; the lower half becomes 0 */
  *#replace(table: number, cluster: number, high: number, low: number, zeroBits: number): Steps<void> {
    const { page, at } = yield* this.#place(table, cluster);
    const [oldHigh, oldLow] = [page.view.getUint32(at), page.view.getUint32(at + 4)];
    page.view.setUint32(at, high);
    page.view.setUint32(at + 4, low);
    if (this.isExtended) {
      page.view.setUint32(at + 8, zeroBits);
      page.view.setUint32(at + 12, 0);
    }
    this.tables.markDirty(page);
    yield* this.#give(oldHigh, oldLow);
  }

  /** In an external data file a cluster has its place for ever; it only stops being looked at. */
  *#keepAsZero(table: number, cluster: number): Steps<void> {
    const { page, at } = yield* this.#place(table, cluster);
    if (this.isExtended) {
      page.view.setUint32(at + 8, ALL_SUBCLUSTERS);
      page.view.setUint32(at + 12, 0);
    } else page.view.setUint32(at + 4, (page.view.getUint32(at + 4) | ZERO_LOW) >>> 0);
    this.tables.markDirty(page);
  }

  /** Gives up the reference of an entry that is no longer in its table. */
  *#give(high: number, low: number): Steps<void> {
    if (this.isExternal) return;
    const { clusterBits } = this.header;
    if (isCompressed(high)) {
      const offset = compressedOffsetOf(high, low, clusterBits);
      yield* this.refcounts.free(offset, compressedLengthOf(high, low, clusterBits));
      return;
    }
    const offset = hostOffsetOf(high, low);
    if (offset !== 0) yield* this.refcounts.free(offset, this.clusterSize);
  }
}

/** Bits `first` to `last`, both included. */
function maskOf(first: number, last: number): number {
  return (ALL_SUBCLUSTERS << first) & (ALL_SUBCLUSTERS >>> (SUBCLUSTERS - 1 - last));
}
