/**
 * The allocation of host clusters.
 *
 * Which cluster is taken decides how the file looks, and it is to look as QEMU's: first fit from a cursor on, and the
 * cursor falls back when something before it becomes free. A request for several clusters takes the first gap that
 * holds them all. When a request meets clusters that no refcount block describes yet, the new block goes *behind* the
 * request; the request is then repeated and finds its place again. A block describes itself where it can.
 *
 * A conversion hands a long request over in portions, so the allocator keeps its last run *open*: `extendRun` makes it
 * longer, and its refcounts are taken only when something else is to be allocated. Then a new block lands behind all
 * of the run, as it would have if the request had come in one piece. Where the length of the request decides already
 * where it goes, the length that it is expected to get counts (`expected`, at least what is asked for).
 */

import type { TableCache } from '../../image/table-cache.js';
import type { ByteStore } from '../../storage/storage.js';
import { alternateHex } from './corruption.js';
import { clusterSizeOf, type QcowHeader } from './header.js';
import type { HostSpace } from './host-space.js';
import { compressedOffsetLimit, ENTRY_SIZE } from './layout.js';
import type { ProtectedRanges } from './protected.js';
import { type OnRefcount, RefcountTable, tooLarge } from './refcount-table.js';
import { type Steps, settle } from './steps.js';

/** A run of host clusters: index of the first, and how many. */
interface ClusterRun {
  first: number;
  count: number;
}

/** The run that can still grow; the refcounts of `counted` clusters are taken already, of more or fewer than it has. */
interface OpenRun extends ClusterRun {
  counted: number;
}

export class Refcounts {
  readonly #clusterSize: number;
  readonly #table: RefcountTable;
  /** No free cluster lies before this one. */
  #cursor = 0;
  #open: OpenRun | null = null;
  /** Where the next compressed stream may continue; 0: it needs a new cluster. */
  #byteCursor = 0;
  /** Runs that become free with `releaseFreed`; null: they become free at once. */
  #freed: ClusterRun[] | null = null;
  #discards = false;
  #protected: ProtectedRanges | null = null;

  /** @param table host offsets of the refcount blocks, 0 where there is none; as long as the table in the file */
  constructor(
    private readonly store: ByteStore,
    private readonly header: QcowHeader,
    blocks: TableCache,
    private readonly space: HostSpace,
    table: Float64Array,
  ) {
    this.#clusterSize = clusterSizeOf(header);
    this.#table = new RefcountTable(store, header, blocks, space, table);
  }

  /** The only block of a new image; its content is zeros, and no part of the table is in the file yet. */
  *addFirstBlock(offset: number): Steps<void> {
    yield* this.#table.createBlock(offset);
    this.#table.setBlock(0, offset);
    this.#table.touch();
  }

  /** From now on freed clusters are not reused until `releaseFreed`: the file may still refer to them. */
  holdFreed(): void {
    this.#freed = [];
  }

  /** What must never be allocated, whatever the refcounts say. */
  protect(ranges: ProtectedRanges): void {
    this.#protected = ranges;
  }

  /** A table that lay there has been given up; its clusters may be allocated when they are free. */
  unprotect(offset: number, length: number): void {
    this.#protected?.release(offset, length);
  }

  /** Stretches of clusters that wait for `releaseFreed`. */
  get held(): number {
    return this.#freed?.length ?? 0;
  }

  /** Takes `count` clusters in a row; their refcounts become 1. Returns the host offset. */
  *allocate(count: number): Steps<number> {
    this.store.announce?.('cluster_alloc');
    yield* this.closeRun();
    for (;;) {
      const first = yield* this.#findFree(count);
      if (yield* this.#add(first, count)) return first * this.#clusterSize;
    }
  }

  /** As `allocate`, but the run stays open for `extendRun`. */
  *allocateRun(count: number, expected: number): Steps<number> {
    this.store.announce?.('cluster_alloc');
    yield* this.closeRun();
    const first = yield* this.#findFree(expected);
    this.#cursor = first + count;
    if (first + expected <= this.#table.capacity) {
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
      const free = yield* this.#table.countFree(first, expected);
      yield* this.#checkProtected(first, free);
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
      if ((yield* this.#table.countFree(end - count, count)) < count) return false;
      yield* this.#checkProtected(end - count, count);
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
    this.store.announce?.('cluster_alloc_bytes');
    yield* this.closeRun();
    let offset = this.#byteCursor;
    if (offset !== 0 && (yield* this.#table.isFull(Math.floor(offset / this.#clusterSize)))) offset = 0;
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

  /** How often the cluster at host `offset` is referred to. */
  *count(offset: number): Steps<number> {
    yield* this.closeRun();
    return yield* this.#table.count(offset / this.#clusterSize);
  }

  /** Counts `times` more references to the cluster at host `offset`, which is in use. */
  *addReferences(offset: number, times: number): Steps<void> {
    yield* this.closeRun();
    yield* this.#table.raise(offset / this.#clusterSize, times);
  }

  /** The counts as they are stored, for whoever moves all of them. */
  get table(): RefcountTable {
    return this.#table;
  }

  /** Changes the refcount of each cluster that [offset, offset + length) touches, at once; throws as the table does. */
  *update(offset: number, length: number, difference: -1 | 0 | 1, onRefcount: OnRefcount): Steps<void> {
    if (length === 0) return;
    yield* this.closeRun();
    const first = Math.floor(offset / this.#clusterSize);
    const last = Math.floor((offset + length - 1) / this.#clusterSize);
    yield* this.#table.update(first, last - first + 1, difference, (refcount, cluster) => {
      onRefcount(refcount, cluster);
      if (refcount > 0) return;
      this.#cursor = Math.min(this.#cursor, cluster);
      if (cluster === Math.floor(this.#byteCursor / this.#clusterSize)) this.#byteCursor = 0;
    });
  }

  /** Gives up one reference to each cluster that [offset, offset + length) touches. */
  *free(offset: number, length: number): Steps<void> {
    if (length === 0) return;
    this.store.announce?.('cluster_free');
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
    for (const { first, count } of freed) {
      this.store.announce?.('cluster_free');
      yield* this.#subtract(first, count);
      if (this.#discards) yield* this.#discard(first, count);
    }
  }

  /** Whether the space of what `releaseFreed` frees is given back to the storage. */
  discardFreed(isWanted: boolean): void {
    this.#discards = isWanted;
  }

  /** Index of the last cluster in use; -1 if there is none. */
  *lastUsed(): Steps<number> {
    yield* this.closeRun();
    return yield* this.#table.lastUsed(Math.ceil(this.space.end / this.#clusterSize));
  }

  /**
   * Takes refcount blocks that count nothing but themselves out of the table. Throws `corrupt`, with the image marked so,
   * where a block lies across clusters, or where no other one counts it.
   */
  *dropEmptyBlocks(): Steps<void> {
    yield* this.closeRun();
    const across = this.#table.offsets.find((offset) => offset % this.#clusterSize !== 0);
    if (across !== undefined)
      yield* this.#signalCorruption(
        `Cannot get entry from refcount block cache: Offset ${alternateHex(across)} is unaligned`,
      );
    const dropped = yield* this.#table.dropEmptyBlocks();
    for (const { offset } of dropped) {
      this.unprotect(offset, this.#clusterSize);
      yield* this.free(offset, this.#clusterSize);
    }
    const uncounted = dropped.find(({ isCounted }) => !isCounted);
    if (uncounted === undefined) return;
    // It is gone all the same.
    yield* this.#table.write();
    yield* this.#signalCorruption(
      `Refblock at ${alternateHex(uncounted.offset)} is not covered by the refcount structures`,
    );
  }

  /** Writes the changed part of the refcount table; its blocks are the cache's. */
  *writeTable(): Steps<void> {
    yield* this.#table.write();
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
    this.store.announce?.('reftable_grow');
    const blockCount = this.#table.blocksFor(start + additional, !isExact);
    const table = this.#table.enlarged(isExact ? blockCount : blockCount + Math.ceil(blockCount / 2));
    if (block) table[block.index] = block.offset;
    let next = start;
    for (let index = Math.floor(start / this.#table.perBlock); index < blockCount; index++) {
      if (table[index] !== 0) continue;
      table[index] = next * this.#clusterSize;
      yield* this.#table.createBlock(table[index]!);
      next++;
    }
    const oldOffset = this.header.refcountTableOffset;
    const oldLength = this.#table.length * ENTRY_SIZE;
    // The clusters of the old table keep what it held last, as in a file that QEMU has written.
    if (this.#freed === null) yield* this.#table.write();
    this.#table.replace(table, next * this.#clusterSize);
    const end = next + (table.length * ENTRY_SIZE) / this.#clusterSize;
    yield* this.#add(start, end - start);
    this.unprotect(oldOffset, oldLength);
    yield* this.free(oldOffset, oldLength);
    return end;
  }

  /** The first `count` free clusters in a row at or behind the cursor, which moves behind them. */
  *#findFree(count: number): Steps<number> {
    const first = yield* this.#table.findFree(this.#cursor, count);
    this.#cursor = first + count;
    yield* this.#checkProtected(first, count);
    return first;
  }

  /** Adds one to `count` refcounts. False, and nothing done, if a block was missing: look for a place again. */
  *#add(first: number, count: number): Steps<boolean> {
    const done = yield* this.#table.add(first, count);
    if (done === count) return true;
    yield* this.#addBlockFor(first + done);
    this.#cursor = Math.min(this.#cursor, first);
    yield* this.#subtract(first, done);
    return false;
  }

  *#subtract(first: number, count: number): Steps<void> {
    this.#cursor = Math.min(this.#cursor, yield* this.#table.subtract(first, count));
    // Streams do not go on in a cluster that is free: it may become anything.
    const current = Math.floor(this.#byteCursor / this.#clusterSize);
    const isTouched = current >= first && current < first + count;
    if (isTouched && (yield* this.#table.count(current)) === 0) this.#byteCursor = 0;
  }

  /** Makes the block that describes `cluster`, and a larger table if need be. */
  *#addBlockFor(cluster: number): Steps<void> {
    const { perBlock } = this.#table;
    const index = Math.floor(cluster / perBlock);
    const block = yield* this.#findFree(1);
    const offset = block * this.#clusterSize;
    const describesItself = Math.floor(block / perBlock) === index;
    // Another block counts it. That one may be missing as well; then it is made first, and all begins anew.
    if (!describesItself && !(yield* this.#add(block, 1))) return;
    yield* this.#table.createBlock(offset);
    if (describesItself) yield* this.#table.countInNewBlock(offset, block);
    if (index < this.#table.length) {
      this.#table.setBlock(index, offset);
      return;
    }
    // Where the next block's stretch begins, nothing can be in use yet.
    const start = Math.ceil((Math.max(cluster, block) + 1) / perBlock) * perBlock;
    yield* this.rebuildFrom(start, 0, false, { index, offset });
  }

  *#discard(first: number, count: number): Steps<void> {
    const end = Math.min(first + count, Math.ceil(this.store.size / this.#clusterSize));
    for (let at = first; at < end; ) {
      const free = yield* this.#table.countFree(at, end - at);
      const length = Math.min(free * this.#clusterSize, this.store.size - at * this.#clusterSize);
      if (length > 0) yield* settle(this.store.zero(at * this.#clusterSize, length));
      at += free + 1;
    }
  }

  /** Throws `corrupt`, with the image marked so, where what is about to be allocated holds metadata. */
  *#checkProtected(first: number, count: number): Steps<void> {
    const [start, length] = [first * this.#clusterSize, count * this.#clusterSize];
    if (this.#protected?.meets(start, length)) throw yield* settle(this.#protected.refuse(start, length));
  }

  *#signalCorruption(message: string): Steps<void> {
    if (this.#protected !== null) throw yield* settle(this.#protected.signalCorruption(message));
  }

  #hold(first: number, count: number): void {
    const last = this.#freed!.at(-1);
    if (last !== undefined && last.first + last.count === first) last.count += count;
    else this.#freed!.push({ first, count });
  }
}
