/**
 * The refcount table and its blocks: reading and changing counts.
 *
 * Specification: QEMU, docs/interop/qcow2, "Host cluster management". The table (in memory, at most 8 MiB) points to
 * refcount blocks (paged), and each block counts the references to a stretch of host clusters. Clusters are named by
 * their index. What has no block is free. Which cluster is taken when is `Refcounts`' business.
 */
import { viewOf } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import type { TableCache, TablePage } from '../../image/table-cache.js';
import { isPending } from '../../maybe.js';
import type { ByteStore } from '../../storage/storage.js';
import { clusterSizeOf, type QcowHeader } from './header.js';
import type { HostSpace } from './host-space.js';
import { ENTRY_SIZE, LIMITS } from './layout.js';
import { type RefcountWidth, refcountWidth } from './refcount-width.js';
import { type Steps, settle } from './steps.js';

/** A page of a refcount block, and the clusters [first, end) whose refcounts it holds. */
interface CountsPage {
  page: TablePage;
  first: number;
  end: number;
}

/** A block that was taken out of the table: its host offset, and whether the table had a block that counts it. */
interface DroppedBlock {
  offset: number;
  isCounted: boolean;
}

/** Told of a refcount as it is going to be; in ascending order of the clusters. Throws to refuse it. */
export type OnRefcount = (refcount: number, cluster: number) => void;

export class RefcountTable {
  /** Clusters that a block describes. */
  readonly perBlock: number;
  readonly #clusterSize: number;
  readonly #width: RefcountWidth;
  readonly #perPage: number;
  /** Entries [from, to) that differ from the file's. */
  #changed = { from: Number.POSITIVE_INFINITY, to: 0 };

  /** @param entries host offsets of the blocks, 0 where there is none; as long as the table in the file */
  constructor(
    private readonly store: ByteStore,
    private readonly header: QcowHeader,
    private readonly blocks: TableCache,
    private readonly space: HostSpace,
    private entries: Float64Array,
  ) {
    this.#clusterSize = clusterSizeOf(header);
    this.#width = refcountWidth(header.refcountOrder);
    this.perBlock = this.#clusterSize * this.#width.perByte;
    this.#perPage = blocks.pageSize * this.#width.perByte;
  }

  /** Entries. */
  get length(): number {
    return this.entries.length;
  }

  /** Clusters that the table can describe, with all of its blocks. */
  get capacity(): number {
    return this.entries.length * this.perBlock;
  }

  /** Host offsets of the blocks, 0 where there is none. */
  get offsets(): Float64Array {
    return this.entries;
  }

  setBlock(index: number, offset: number): void {
    this.entries[index] = offset;
    this.#changed.from = Math.min(this.#changed.from, index);
    this.#changed.to = Math.max(this.#changed.to, index + 1);
  }

  /** Makes a block of zeros at host `offset`. */
  *createBlock(offset: number): Steps<void> {
    this.store.announce?.('refblock_alloc');
    this.space.claim(offset, this.#clusterSize);
    for (let at = offset; at < offset + this.#clusterSize; at += this.blocks.pageSize)
      yield* settle(this.blocks.create(at));
  }

  /** Counts one reference to `cluster` in a block at host `offset` that is not in the table yet. */
  *countInNewBlock(offset: number, cluster: number): Steps<void> {
    const index = cluster % this.perBlock;
    const page = yield* settle(this.blocks.page(offset + Math.floor(index / this.#width.perByte)));
    this.#width.set(page.view, index % this.#perPage, 1);
    this.blocks.markDirty(page);
  }

  /** Whether the refcount of `cluster` cannot grow any more. */
  *isFull(cluster: number): Steps<boolean> {
    const counts = yield* this.#countsOf(cluster);
    return counts !== null && this.#width.get(counts.page.view, cluster - counts.first) >= this.#width.max;
  }

  /** The first `count` free clusters in a row at or behind `from`. */
  *findFree(from: number, count: number): Steps<number> {
    let at = from;
    let run = 0;
    while (run < count) {
      const counts = yield* this.#countsOf(at);
      if (counts === null) {
        const taken = Math.min(this.#endOfBlock(at) - at, count - run);
        run += taken;
        at += taken;
        continue;
      }
      const { page, first, end } = counts;
      for (; at < end && run < count; at++) run = this.#width.get(page.view, at - first) === 0 ? run + 1 : 0;
    }
    if (at * this.#clusterSize > Number.MAX_SAFE_INTEGER) throw tooLarge();
    return at - run;
  }

  /** How many of the `count` clusters from `first` on are free before one is not. */
  *countFree(first: number, count: number): Steps<number> {
    const end = first + count;
    let at = first;
    while (at < end) {
      const counts = yield* this.#countsOf(at);
      if (counts === null) {
        at = Math.min(end, this.#endOfBlock(at));
        continue;
      }
      const stop = Math.min(end, counts.end);
      for (; at < stop; at++) {
        if (this.#width.get(counts.page.view, at - counts.first) !== 0) return at - first;
      }
    }
    return count;
  }

  /** The refcount of `cluster`. */
  *count(cluster: number): Steps<number> {
    const counts = yield* this.#countsOf(cluster);
    return counts === null ? 0 : this.#width.get(counts.page.view, cluster - counts.first);
  }

  /**
   * Looks at the refcounts of `cluster` and of those behind it, as far as one page goes: `end` is the first cluster
   * behind them, `get` reads them by their index. null: there are none up to `end`.
   */
  *stretch(cluster: number): Steps<{ end: number; get: ((cluster: number) => number) | null }> {
    const counts = yield* this.#countsOf(cluster);
    if (counts === null) return { end: this.#endOfBlock(cluster), get: null };
    const { view } = counts.page;
    return { end: counts.end, get: (index) => this.#width.get(view, index - counts.first) };
  }

  /** Adds `times` to the refcount of `cluster`, which has a block. */
  *raise(cluster: number, times: number): Steps<void> {
    const counts = yield* this.#countsOf(cluster);
    if (counts === null) throw corrupt(`The refcount of cluster ${cluster} is not stored`);
    for (let done = 0; done < times; done++) this.#increment(counts, cluster);
    this.blocks.markDirty(counts.page);
  }

  /** Index of the last cluster in use before `end`; -1 if there is none. */
  *lastUsed(end: number): Steps<number> {
    for (let at = end; at > 0; ) {
      const counts = yield* this.#countsOf(at - 1);
      if (counts === null) {
        at = Math.min(this.capacity, at - 1 - ((at - 1) % this.perBlock));
        continue;
      }
      for (; at > counts.first; at--) if (this.#width.get(counts.page.view, at - 1 - counts.first) !== 0) return at - 1;
    }
    return -1;
  }

  /** Takes blocks that count nothing but themselves out of the table, and returns them. Throws `corrupt`. */
  *dropEmptyBlocks(): Steps<DroppedBlock[]> {
    const blocks = this.entries.reduce((count, offset) => (offset === 0 ? count : count + 1), 0);
    if (blocks * this.#clusterSize > this.space.end) throw corrupt('More refcount blocks than the file has room for');
    const dropped: DroppedBlock[] = [];
    for (const [index, offset] of this.entries.entries()) {
      if (offset === 0 || !(yield* this.#isUnused(index))) continue;
      const counting = Math.floor(offset / this.#clusterSize / this.perBlock);
      dropped.push({ offset, isCounted: (this.entries[counting] ?? 0) !== 0 });
      this.setBlock(index, 0);
      this.blocks.discard(offset, this.#clusterSize);
    }
    return dropped;
  }

  /** Whether a block counts no cluster, or only its own; behind the end of the file there are zeros. */
  *#isUnused(index: number): Steps<boolean> {
    if (this.entries[index]! >= this.space.end) return true;
    const own = Math.floor(this.entries[index]! / this.#clusterSize);
    const end = (index + 1) * this.perBlock;
    for (let at = index * this.perBlock; at < end; ) {
      at += yield* this.countFree(at, end - at);
      if (at < end && at !== own) return false;
      at++;
    }
    return true;
  }

  /** Adds one to `count` refcounts; stops at a cluster without a block. Returns how many it did. */
  *add(first: number, count: number): Steps<number> {
    const end = first + count;
    let at = first;
    while (at < end) {
      const counts = yield* this.#countsOf(at);
      if (counts === null) return at - first;
      const stop = Math.min(end, counts.end);
      for (; at < stop; at++) this.#increment(counts, at);
      this.blocks.markDirty(counts.page);
    }
    return count;
  }

  /** Takes one from `count` refcounts. Returns the first cluster that became free; infinite if none did. */
  *subtract(first: number, count: number): Steps<number> {
    const end = first + count;
    let freed = Number.POSITIVE_INFINITY;
    let at = first;
    while (at < end) {
      const counts = yield* this.#countsOf(at);
      if (counts === null) {
        at = this.#endOfBlock(at);
        continue;
      }
      const stop = Math.min(end, counts.end);
      for (; at < stop; at++) if (this.#decrement(counts, at)) freed = Math.min(freed, at);
      this.blocks.markDirty(counts.page);
    }
    return freed;
  }

  /**
   * Adds `difference` to `count` refcounts. Throws where a cluster has none that could be changed, worded as QEMU says it
   * of clusters that it meets in tables and had not counted.
   */
  *update(first: number, count: number, difference: -1 | 0 | 1, onRefcount: OnRefcount): Steps<void> {
    const end = first + count;
    for (let at = first; at < end; ) {
      const counts = yield* this.#countsOf(at);
      if (counts === null) throw this.#canCount(at) ? unavailable() : tooLarge();
      const stop = Math.min(end, counts.end);
      for (; at < stop; at++) {
        const before = this.#width.get(counts.page.view, at - counts.first);
        const isExact = before + difference <= this.#width.max && before <= this.#width.max;
        if (difference !== 0 && !isExact) throw new ImageError('unsupported', 'Invalid argument');
        onRefcount(before + difference, at);
        if (difference !== 0) this.#width.set(counts.page.view, at - counts.first, before + difference);
      }
      if (difference !== 0) this.blocks.markDirty(counts.page);
    }
  }

  /** A table with the same entries and room for `length`, not yet in use. Throws where QEMU would refuse to read it. */
  enlarged(length: number): Float64Array {
    const perCluster = this.#clusterSize / ENTRY_SIZE;
    const whole = Math.ceil(length / perCluster) * perCluster;
    if (whole * ENTRY_SIZE > LIMITS.refcountTableBytes) throw tooLarge();
    const entries = new Float64Array(whole);
    entries.set(this.entries.subarray(0, whole));
    return entries;
  }

  /** Puts another table in place of this one, at host `offset`. */
  replace(entries: Float64Array, offset: number): void {
    this.entries = entries;
    this.header.refcountTableOffset = offset;
    this.header.refcountTableClusters = (entries.length * ENTRY_SIZE) / this.#clusterSize;
    this.space.claim(offset, entries.length * ENTRY_SIZE);
    this.touch();
  }

  /** Nothing of the table is in the file yet. */
  touch(): void {
    this.#changed = { from: 0, to: this.entries.length };
  }

  /** Writes what has changed. */
  *write(): Steps<void> {
    const { from, to } = this.#changed;
    if (from >= to) return;
    this.#changed = { from: Number.POSITIVE_INFINITY, to: 0 };
    const bytes = new Uint8Array((to - from) * ENTRY_SIZE);
    const view = viewOf(bytes);
    // One that was damaged may lead further than numbers count bytes, and stays that.
    for (let index = from; index < to; index++)
      view.setBigUint64((index - from) * ENTRY_SIZE, BigInt(this.entries[index]!));
    this.store.announce?.('reftable_update');
    yield* settle(this.store.write(this.header.refcountTableOffset + from * ENTRY_SIZE, bytes));
  }

  /** Blocks needed to describe `clusters` clusters and the refcount structures themselves, as QEMU reckons. */
  blocksFor(clusters: number, isGenerous: boolean): number {
    const entriesPerCluster = this.#clusterSize / ENTRY_SIZE;
    let described = clusters;
    let needed = 0;
    let generous = isGenerous;
    for (let total = 0, last = -1; total !== last; ) {
      last = total;
      needed = Math.ceil((described + Math.ceil(needed / entriesPerCluster) + needed) / this.perBlock);
      const tableClusters = Math.ceil(needed / entriesPerCluster);
      total = described + needed + tableClusters;
      if (total === last && generous) {
        described += Math.ceil(tableClusters / 2);
        generous = false;
        total = 0;
      }
    }
    return needed;
  }

  /** The page with the refcount of `cluster`; null if no block describes it. */
  *#countsOf(cluster: number): Steps<CountsPage | null> {
    const index = Math.floor(cluster / this.perBlock);
    const offset = index < this.entries.length ? this.entries[index]! : 0;
    if (offset === 0) return null;
    if (offset % this.#clusterSize !== 0)
      throw corrupt(`Refblock offset 0x${offset.toString(16)} unaligned (reftable index: 0x${index.toString(16)})`);
    const pageInBlock = Math.floor((cluster % this.perBlock) / this.#perPage);
    const found = this.blocks.page(offset + pageInBlock * this.blocks.pageSize, 'refblock_load');
    const page = isPending(found) ? yield* settle(found) : found;
    const first = index * this.perBlock + pageInBlock * this.#perPage;
    return { page, first, end: first + this.#perPage };
  }

  /** There can be a table that counts `cluster`. */
  #canCount(cluster: number): boolean {
    return (Math.floor(cluster / this.perBlock) + 1) * ENTRY_SIZE <= LIMITS.refcountTableBytes;
  }

  #endOfBlock(cluster: number): number {
    return (Math.floor(cluster / this.perBlock) + 1) * this.perBlock;
  }

  #increment({ page, first }: CountsPage, cluster: number): void {
    const count = this.#width.get(page.view, cluster - first);
    if (count >= this.#width.max) throw corrupt(`The refcount of cluster ${cluster} is as large as it can be`);
    this.#width.set(page.view, cluster - first, count + 1);
  }

  /** A count that is 0 already stays: the image was wrong before, and a leak is better than a cluster used twice. */
  #decrement({ page, first }: CountsPage, cluster: number): boolean {
    const count = this.#width.get(page.view, cluster - first);
    if (count === 0) return false;
    this.#width.set(page.view, cluster - first, count - 1);
    return count === 1;
  }
}

function unavailable(): ImageError {
  return new ImageError('corrupt', 'Resource temporarily unavailable');
}

/** As QEMU says it of an image that its structures cannot describe. */
export function tooLarge(): ImageError {
  return new ImageError('unsupported', 'File too large');
}
