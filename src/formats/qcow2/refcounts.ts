/**
 * Refcounts and the allocation of host clusters.
 *
 * Specification: QEMU, docs/interop/qcow2, "Host cluster management". The refcount table (in memory, at most 8 MiB)
 * points to refcount blocks (paged), and each block counts the references to a stretch of host clusters, its own
 * cluster included.
 *
 * Which cluster is taken decides how the file looks, and it is to look as QEMU's: first fit from a cursor on, and the
 * cursor falls back when something before it becomes free. A request for several clusters takes the first gap that
 * holds them all. When a request meets clusters that no block describes yet, the new block goes *behind* the request;
 * the request is then repeated and finds its place again.
 *
 * A conversion hands a long request over in portions, so the allocator keeps its last run *open*: `extendRun` makes it
 * longer, and its refcounts are taken only when something else is to be allocated. Then a new block lands behind all
 * of the run, as it would have if the request had come in one piece. Where the length of the request decides already
 * where it goes, the length that it is expected to get counts (`expected`, at least what is asked for).
 */
import { viewOf, writeU64 } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import type { ByteStore } from '../../storage/storage.js';
import { clusterSizeOf, type QcowHeader } from './header.js';
import type { HostSpace } from './host-space.js';
import { compressedOffsetLimit, ENTRY_SIZE, LIMITS } from './layout.js';
import type { ProtectedRanges } from './protected.js';
import { type RefcountWidth, refcountWidth } from './refcount-width.js';
import { type Steps, settle } from './steps.js';
import type { TableCache, TablePage } from './tables.js';

/** A run of host clusters: index of the first, and how many. */
interface ClusterRun {
  first: number;
  count: number;
}

/** The run that can still grow; the refcounts of `counted` clusters are taken already, of more or fewer than it has. */
interface OpenRun extends ClusterRun {
  counted: number;
}

/** A page of a refcount block, and the clusters [first, end) whose refcounts it holds. */
interface CountsPage {
  page: TablePage;
  first: number;
  end: number;
}

/** Entries of L1 and L2 tables leave 56 bits for an offset; a number leaves 53. */
const HIGHEST_OFFSET = Number.MAX_SAFE_INTEGER;

export class Refcounts {
  readonly #clusterSize: number;
  readonly #width: RefcountWidth;
  /** Refcounts in a block and in a page of it. */
  readonly #perBlock: number;
  readonly #perPage: number;
  /** No free cluster lies before this one. */
  #cursor = 0;
  #open: OpenRun | null = null;
  /** Where the next compressed stream may continue; 0: it needs a new cluster. */
  #byteCursor = 0;
  /** Entries [from, to) of the table that differ from the file's. */
  #changed = { from: Number.POSITIVE_INFINITY, to: 0 };
  /** Runs that become free with `releaseFreed`; null: they become free at once. */
  #freed: ClusterRun[] | null = null;
  #protected: ProtectedRanges | null = null;

  /** @param table host offsets of the refcount blocks, 0 where there is none; as long as the table in the file */
  constructor(
    private readonly store: ByteStore,
    private readonly header: QcowHeader,
    private readonly blocks: TableCache,
    private readonly space: HostSpace,
    private table: Float64Array,
  ) {
    this.#clusterSize = clusterSizeOf(header);
    this.#width = refcountWidth(header.refcountOrder);
    this.#perBlock = this.#clusterSize * this.#width.perByte;
    this.#perPage = blocks.pageSize * this.#width.perByte;
  }

  /** The only block of a new image; its content is zeros. */
  *addFirstBlock(offset: number): Steps<void> {
    yield* this.#createBlock(offset);
    this.#setEntry(0, offset);
  }

  /** From now on freed clusters are not reused until `releaseFreed`: the file may still refer to them. */
  holdFreed(): void {
    this.#freed = [];
  }

  /** What must never be allocated, whatever the refcounts say. */
  protect(ranges: ProtectedRanges): void {
    this.#protected = ranges;
  }

  /** Stretches of clusters that wait for `releaseFreed`. */
  get held(): number {
    return this.#freed?.length ?? 0;
  }

  /** Takes `count` clusters in a row; their refcounts become 1. Returns the host offset. */
  *allocate(count: number): Steps<number> {
    yield* this.closeRun();
    for (;;) {
      const first = yield* this.#findFree(count);
      if (yield* this.#add(first, count)) return first * this.#clusterSize;
    }
  }

  /** As `allocate`, but the run stays open for `extendRun`. */
  *allocateRun(count: number, expected: number): Steps<number> {
    yield* this.closeRun();
    const first = yield* this.#findFree(expected);
    this.#cursor = first + count;
    if (first + expected <= this.table.length * this.#perBlock) {
      this.#open = { first, count, counted: 0 };
      return first * this.#clusterSize;
    }
    // The table has to grow, and the old one may leave a gap before the run: that decides where the run goes.
    this.#cursor = first;
    const offset = yield* this.allocate(expected);
    this.#open = { first: offset / this.#clusterSize, count, counted: expected };
    return offset;
  }

  /**
   * Takes up to `count` free clusters from host `offset` on, and leaves them open for `extendRun`; returns how many it
   * got, 0 if the first is in use or has to hold a new refcount block.
   */
  *allocateAt(offset: number, count: number, expected: number): Steps<number> {
    yield* this.closeRun();
    const first = offset / this.#clusterSize;
    for (;;) {
      const free = yield* this.#countFree(first, expected);
      this.#checkProtected(first, free);
      if (free === 0) return 0;
      if (!(yield* this.#add(first, free))) continue;
      this.#open = { first, count: Math.min(count, free), counted: free };
      return this.#open.count;
    }
  }

  /** Adds `count` clusters to the open run if it ends at host `offset` and they are free. */
  *extendRun(offset: number, count: number): Steps<boolean> {
    const open = this.#open;
    if (open === null || (open.first + open.count) * this.#clusterSize !== offset) return false;
    const end = open.first + open.count + count;
    if (open.counted === 0) {
      if ((yield* this.#countFree(end - count, count)) < count) return false;
      this.#checkProtected(end - count, count);
      this.#cursor = Math.max(this.#cursor, end);
    } else if (end > open.first + open.counted) return false;
    open.count += count;
    return true;
  }

  /** Takes the refcounts of the open run, if there is one, or gives those up that it did not need. */
  *closeRun(): Steps<void> {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    const { first, count, counted } = open;
    if (counted > 0) {
      yield* this.#subtract(first + count, counted - count);
      return;
    }
    // Behind the run at each attempt: a block that is made on the way must not land in it.
    do this.#cursor = Math.max(this.#cursor, first + count);
    while (!(yield* this.#add(first, count)));
    this.#cursor = Math.max(this.#cursor, first + count);
  }

  /**
   * Takes `length` bytes, at most a cluster, for a compressed stream: behind the last one if that is possible, so it
   * may span two clusters. Returns the host offset.
   */
  *allocateBytes(length: number): Steps<number> {
    yield* this.closeRun();
    let offset = yield* this.#usableByteCursor();
    let free = offset === 0 ? 0 : this.#clusterSize - (offset % this.#clusterSize);
    for (;;) {
      if (free < length) {
        const cluster = (yield* this.#findFree(1)) * this.#clusterSize;
        const continues = offset !== 0 && offset + free === cluster;
        if (!continues) offset = cluster;
        free = continues ? free + this.#clusterSize : this.#clusterSize;
      }
      const first = Math.floor(offset / this.#clusterSize);
      const last = Math.floor((offset + length - 1) / this.#clusterSize);
      if (yield* this.#add(first, last - first + 1)) break;
      offset = 0;
      free = 0;
    }
    const end = offset + length;
    if (end > compressedOffsetLimit(this.header.clusterBits)) throw tooLarge();
    this.#byteCursor = end % this.#clusterSize === 0 ? 0 : end;
    return offset;
  }

  /** Gives up one reference to each cluster that [offset, offset + length) touches. */
  *free(offset: number, length: number): Steps<void> {
    if (length === 0) return;
    yield* this.closeRun();
    const first = Math.floor(offset / this.#clusterSize);
    const count = Math.floor((offset + length - 1) / this.#clusterSize) - first + 1;
    if (this.#freed === null) yield* this.#subtract(first, count);
    else this.#hold(first, count);
  }

  /** Frees what was held back: nothing in the file refers to it any more. */
  *releaseFreed(): Steps<void> {
    const freed = this.#freed ?? [];
    this.#freed = [];
    for (const { first, count } of freed) yield* this.#subtract(first, count);
  }

  /** Index of the last cluster in use; -1 if there is none. */
  *lastUsed(): Steps<number> {
    yield* this.closeRun();
    for (let index = Math.ceil(this.space.end / this.#clusterSize) - 1; index >= 0; index--) {
      if ((yield* this.#countFree(index, 1)) === 0) return index;
    }
    return -1;
  }

  /**
   * Makes refcount structures for `additional` clusters more than there are before host cluster `start`: new blocks
   * from there on, then a new table, which all describe themselves. Nothing may be in use from `start` on. Returns the
   * index of the cluster behind them.
   *
   * @param isExact the table gets no reserve for later growth
   * @param block a block that belongs into the new table, and its index there
   */
  *rebuildFrom(
    start: number,
    additional: number,
    isExact: boolean,
    block?: { index: number; offset: number },
  ): Steps<number> {
    const blockCount = this.#blocksFor(start + additional, !isExact);
    const table = new Float64Array(this.#tableLength(isExact ? blockCount : blockCount + Math.ceil(blockCount / 2)));
    table.set(this.table.subarray(0, Math.min(table.length, this.table.length)));
    if (block) table[block.index] = block.offset;
    const firstBlock = Math.floor(start / this.#perBlock);
    let next = start;
    for (let index = firstBlock; index < blockCount; index++) {
      if (table[index] !== 0) continue;
      table[index] = next * this.#clusterSize;
      yield* this.#createBlock(table[index]!);
      next++;
    }
    const tableClusters = (table.length * ENTRY_SIZE) / this.#clusterSize;
    const end = next + tableClusters;
    yield* this.#switchTable(table, next * this.#clusterSize, () => this.#add(start, end - start));
    return end;
  }

  /** Writes the changed part of the table. */
  *writeTable(): Steps<void> {
    const { from, to } = this.#changed;
    if (from >= to) return;
    this.#changed = { from: Number.POSITIVE_INFINITY, to: 0 };
    const bytes = new Uint8Array((to - from) * ENTRY_SIZE);
    const view = viewOf(bytes);
    for (let index = from; index < to; index++) writeU64(view, (index - from) * ENTRY_SIZE, this.table[index]!, false);
    yield* settle(this.store.write(this.header.refcountTableOffset + from * ENTRY_SIZE, bytes));
  }

  /** Marks all of the table as changed: nothing of it is in the file yet. */
  touchTable(): void {
    this.#changed = { from: 0, to: this.table.length };
  }

  /** Replaces the table; `countSelf` takes the refcounts of the new structures, by the new table. */
  *#switchTable(table: Float64Array, offset: number, countSelf: () => Steps<boolean>): Steps<void> {
    const oldOffset = this.header.refcountTableOffset;
    const oldLength = this.table.length * ENTRY_SIZE;
    // The clusters of the old table keep what it held last, as in a file that QEMU has written.
    if (this.#freed === null) yield* this.writeTable();
    this.table = table;
    this.header.refcountTableOffset = offset;
    this.header.refcountTableClusters = (table.length * ENTRY_SIZE) / this.#clusterSize;
    this.touchTable();
    this.space.claim(offset, table.length * ENTRY_SIZE);
    yield* countSelf();
    yield* this.free(oldOffset, oldLength);
  }

  *#usableByteCursor(): Steps<number> {
    if (this.#byteCursor === 0) return 0;
    const counts = yield* this.#countsOf(Math.floor(this.#byteCursor / this.#clusterSize));
    const cluster = Math.floor(this.#byteCursor / this.#clusterSize);
    const isFull =
      counts === null || this.#width.get(counts.page.view, this.#indexIn(counts, cluster)) >= this.#width.max;
    return isFull ? 0 : this.#byteCursor;
  }

  /** The first `count` free clusters in a row at or behind the cursor, which moves behind them. */
  *#findFree(count: number): Steps<number> {
    let at = this.#cursor;
    let run = 0;
    while (run < count) {
      const counts = yield* this.#countsOf(at);
      const end = counts?.end ?? this.#endOfBlock(at);
      if (counts === null) {
        const taken = Math.min(end - at, count - run);
        run += taken;
        at += taken;
        continue;
      }
      for (; at < end && run < count; at++) {
        run = this.#width.get(counts.page.view, this.#indexIn(counts, at)) === 0 ? run + 1 : 0;
      }
    }
    if (at * this.#clusterSize > HIGHEST_OFFSET) throw tooLarge();
    this.#cursor = at;
    this.#checkProtected(at - run, run);
    return at - run;
  }

  /** How many of the `count` clusters from `first` on are free before one is not. */
  *#countFree(first: number, count: number): Steps<number> {
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
        if (this.#width.get(counts.page.view, this.#indexIn(counts, at)) !== 0) return at - first;
      }
    }
    return count;
  }

  /** Adds one to `count` refcounts. False, and nothing done, if a block was missing: look for a place again. */
  *#add(first: number, count: number): Steps<boolean> {
    const end = first + count;
    let at = first;
    while (at < end) {
      const counts = yield* this.#countsOf(at);
      if (counts === null) {
        yield* this.#addBlockFor(at);
        this.#cursor = Math.min(this.#cursor, first);
        yield* this.#subtract(first, at - first);
        return false;
      }
      const stop = Math.min(end, counts.end);
      for (; at < stop; at++) this.#increment(counts, at);
      this.blocks.markDirty(counts.page);
    }
    return true;
  }

  #checkProtected(first: number, count: number): void {
    this.#protected?.check(first * this.#clusterSize, count * this.#clusterSize);
  }

  #increment(counts: CountsPage, cluster: number): void {
    const index = this.#indexIn(counts, cluster);
    const count = this.#width.get(counts.page.view, index);
    if (count >= this.#width.max) throw corrupt(`The refcount of cluster ${cluster} is as large as it can be`);
    this.#width.set(counts.page.view, index, count + 1);
  }

  *#subtract(first: number, count: number): Steps<void> {
    const end = first + count;
    let at = first;
    while (at < end) {
      const counts = yield* this.#countsOf(at);
      if (counts === null) {
        at = this.#endOfBlock(at);
        continue;
      }
      const stop = Math.min(end, counts.end);
      for (; at < stop; at++) this.#decrement(counts, at);
      this.blocks.markDirty(counts.page);
    }
  }

  /** A count that is 0 already stays: the image was wrong before, and a leak is better than a cluster used twice. */
  #decrement(counts: CountsPage, cluster: number): void {
    const index = this.#indexIn(counts, cluster);
    const count = this.#width.get(counts.page.view, index);
    if (count === 0) return;
    this.#width.set(counts.page.view, index, count - 1);
    if (count === 1) this.#cursor = Math.min(this.#cursor, cluster);
  }

  /** Makes the block that describes `cluster`, and a larger table if need be. */
  *#addBlockFor(cluster: number): Steps<void> {
    const index = Math.floor(cluster / this.#perBlock);
    const block = yield* this.#findFree(1);
    const offset = block * this.#clusterSize;
    const describesItself = Math.floor(block / this.#perBlock) === index;
    // Another block counts it. That one may be missing as well; then it is made first, and all begins anew.
    if (!describesItself && !(yield* this.#add(block, 1))) return;
    yield* this.#createBlock(offset);
    if (describesItself) yield* this.#countInNewBlock(offset, block % this.#perBlock);
    if (index < this.table.length) {
      this.#setEntry(index, offset);
      return;
    }
    // Where the next block's stretch begins, nothing can be in use yet.
    const start = Math.ceil((Math.max(cluster, block) + 1) / this.#perBlock) * this.#perBlock;
    yield* this.rebuildFrom(start, 0, false, { index, offset });
  }

  *#countInNewBlock(offset: number, index: number): Steps<void> {
    const page = yield* settle(this.blocks.page(offset + Math.floor(index / this.#width.perByte)));
    this.#width.set(page.view, index % this.#perPage, 1);
    this.blocks.markDirty(page);
  }

  *#createBlock(offset: number): Steps<void> {
    this.space.claim(offset, this.#clusterSize);
    for (let at = offset; at < offset + this.#clusterSize; at += this.blocks.pageSize)
      yield* settle(this.blocks.create(at));
  }

  /** The page with the refcount of `cluster`; null if no block describes it. */
  *#countsOf(cluster: number): Steps<CountsPage | null> {
    const index = Math.floor(cluster / this.#perBlock);
    const offset = index < this.table.length ? this.table[index]! : 0;
    if (offset === 0) return null;
    if (offset % this.#clusterSize !== 0)
      throw corrupt(`Refblock offset 0x${offset.toString(16)} unaligned (reftable index: 0x${index.toString(16)})`);
    const pageInBlock = Math.floor((cluster % this.#perBlock) / this.#perPage);
    const page = yield* settle(this.blocks.page(offset + pageInBlock * this.blocks.pageSize));
    const first = index * this.#perBlock + pageInBlock * this.#perPage;
    return { page, first, end: first + this.#perPage };
  }

  #indexIn(counts: CountsPage, cluster: number): number {
    return cluster - counts.first;
  }

  #endOfBlock(cluster: number): number {
    return (Math.floor(cluster / this.#perBlock) + 1) * this.#perBlock;
  }

  #setEntry(index: number, offset: number): void {
    this.table[index] = offset;
    this.#changed.from = Math.min(this.#changed.from, index);
    this.#changed.to = Math.max(this.#changed.to, index + 1);
  }

  #hold(first: number, count: number): void {
    const last = this.#freed!.at(-1);
    if (last !== undefined && last.first + last.count === first) last.count += count;
    else this.#freed!.push({ first, count });
  }

  /** Blocks needed for `clusters` clusters and for the refcount structures themselves. */
  #blocksFor(clusters: number, isGenerous: boolean): number {
    const entriesPerCluster = this.#clusterSize / ENTRY_SIZE;
    let described = clusters;
    let needed = 0;
    let generous = isGenerous;
    for (let total = 0, last = -1; total !== last; ) {
      last = total;
      const table = Math.ceil(needed / entriesPerCluster);
      needed = Math.ceil((described + table + needed) / this.#perBlock);
      const grownTable = Math.ceil(needed / entriesPerCluster);
      total = described + needed + grownTable;
      if (total === last && generous) {
        described += Math.ceil(grownTable / 2);
        generous = false;
        total = 0;
      }
    }
    return needed;
  }

  /** Entries of a table with room for `entries`: whole clusters. Throws where QEMU would refuse to read it. */
  #tableLength(entries: number): number {
    const perCluster = this.#clusterSize / ENTRY_SIZE;
    const length = Math.ceil(entries / perCluster) * perCluster;
    if (length * ENTRY_SIZE > LIMITS.refcountTableBytes) throw tooLarge();
    return length;
  }
}

function tooLarge(): ImageError {
  return new ImageError('unsupported', 'File too large');
}
