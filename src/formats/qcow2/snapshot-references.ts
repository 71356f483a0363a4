/**
 * The references that the tables of one disk make: counted once more, or given up.
 *
 * Specification: QEMU, docs/interop/qcow2, "Snapshots". A snapshot shares L2 tables and data with the active disk, so
 * each cluster that its L1 table leads to is counted once for every L1 table that leads there. The "copied" bit of an
 * entry says that the count is exactly one, and follows it.
 *
 * Tables and refcount blocks are walked in their caches. `pause` is called between the pages of L2 tables; what has been
 * done by then may be committed: flags are never set before the count is right.
 */
import { corrupt, ImageError } from '../../errors.js';
import type { TablePage } from '../../image/table-cache.js';
import { clusterSizeOf, l2EntrySizeOf } from './header.js';
import {
  COPIED_HIGH,
  compressedLengthOf,
  compressedOffsetOf,
  ENTRY_SIZE,
  hostOffsetOf,
  isCompressed,
  isCopied,
} from './layout.js';
import type { L1Table } from './map.js';
import type { WritingParts } from './parts.js';
import type { OnRefcount } from './refcount-table.js';
import { type Steps, settle } from './steps.js';

/** Told of clusters that nothing refers to any more; host bytes. */
export type OnFreed = (offset: number, length: number) => void;

/** Entries of an L2 table, side by side there, whose clusters are side by side in the file. */
interface EntryRun {
  /** Of the first entry, in its page; -1: a compressed cluster, which has no flag. */
  index: number;
  offset: number;
  length: number;
}

/** What is to become of the references of a disk. */
interface Walk {
  difference: -1 | 0 | 1;
  /** The flags in the L1 table are kept too. */
  keepsL1: boolean;
  onRefcount: OnRefcount;
}

export class DiskReferences {
  readonly #clusterSize: number;
  readonly #entrySize: number;

  constructor(
    private readonly parts: WritingParts,
    private readonly pause: () => Steps<void>,
  ) {
    this.#clusterSize = clusterSizeOf(parts.header);
    this.#entrySize = l2EntrySizeOf(parts.header);
  }

  /** Counts all that `l1` leads to once more. Throws if a count has no room for that, or was wrong. */
  *raise(l1: L1Table): Steps<void> {
    yield* this.#walk(l1, {
      difference: 1,
      keepsL1: true,
      onRefcount: (refcount, cluster) => inUse(refcount - 1, cluster),
    });
  }

  /** Gives up all that `l1` leads to, for an L1 table that nothing refers to any more. */
  *lower(l1: L1Table, onFreed: OnFreed): Steps<void> {
    yield* this.#walk(l1, { difference: -1, keepsL1: false, onRefcount: this.#freeing(onFreed) });
  }

  /** Gives up one reference to each cluster that [offset, offset + length) touches. */
  *lowerClusters(offset: number, length: number, onFreed: OnFreed): Steps<void> {
    yield* this.parts.refcounts.update(offset, length, -1, this.#freeing(onFreed));
  }

  /** Sets the flags of the active disk by the counts as they are. */
  *restoreFlags(l1: L1Table): Steps<void> {
    yield* this.#walk(l1, { difference: 0, keepsL1: true, onRefcount: inUse });
  }

  #freeing(onFreed: OnFreed): OnRefcount {
    return (refcount, cluster) => {
      if (refcount < 0) throw new ImageError('corrupt', 'Invalid argument');
      if (refcount === 0) onFreed(cluster * this.#clusterSize, this.#clusterSize);
    };
  }

  *#walk(l1: L1Table, walk: Walk): Steps<void> {
    const { tables, refcounts } = this.parts;
    for (let index = 0; index < l1.entries; index++) {
      const at = l1.offset + index * ENTRY_SIZE;
      const { view, offset: start } = yield* settle(tables.page(at));
      const table = hostOffsetOf(view.getUint32(at - start), view.getUint32(at - start + 4));
      if (table === 0) continue;
      if (table % this.#clusterSize !== 0)
        throw corrupt(`L2 table offset 0x${table.toString(16)} unaligned (L1 index: 0x${index.toString(16)})`);
      for (let page = table; page < table + this.#clusterSize; page += tables.pageSize) {
        yield* this.pause();
        yield* this.#walkPage(page, walk);
      }
      let last = 0;
      yield* refcounts.update(table, this.#clusterSize, walk.difference, (refcount, cluster) => {
        walk.onRefcount(refcount, cluster);
        last = refcount;
      });
      if (last === 0) tables.discard(table, this.#clusterSize);
      if (walk.keepsL1) yield* this.#setFlag(at, last === 1);
    }
  }

  *#walkPage(offset: number, { difference, onRefcount }: Walk): Steps<void> {
    const { tables, refcounts } = this.parts;
    const runs = this.#runsOf(yield* settle(tables.page(offset)));
    if (runs.length === 0) return;
    const unshared = new Uint8Array(tables.pageSize / this.#entrySize);
    for (const { index, offset: start, length } of runs) {
      const first = start / this.#clusterSize;
      yield* refcounts.update(start, length, difference, (refcount, cluster) => {
        onRefcount(refcount, cluster);
        if (refcount === 1 && index >= 0) unshared[index + cluster - first] = 1;
      });
    }
    this.#setFlags(yield* settle(tables.page(offset)), unshared);
  }

  #runsOf({ view }: TablePage): EntryRun[] {
    const { clusterBits } = this.parts.header;
    const runs: EntryRun[] = [];
    let last: EntryRun = { index: -1, offset: 0, length: 0 };
    for (let index = 0; index < view.byteLength / this.#entrySize; index++) {
      const high = view.getUint32(index * this.#entrySize);
      const low = view.getUint32(index * this.#entrySize + 4);
      if (isCompressed(high)) {
        const offset = compressedOffsetOf(high, low, clusterBits);
        runs.push({ index: -1, offset, length: compressedLengthOf(high, low, clusterBits) });
        continue;
      }
      const offset = hostOffsetOf(high, low);
      if (offset === 0) continue;
      if (offset % this.#clusterSize !== 0)
        throw corrupt(`Cluster allocation offset 0x${offset.toString(16)} unaligned`);
      const follows = last.index >= 0 && last.offset + last.length === offset;
      if (follows && last.index + last.length / this.#clusterSize === index) last.length += this.#clusterSize;
      else {
        last = { index, offset, length: this.#clusterSize };
        runs.push(last);
      }
    }
    return runs;
  }

  /** Flags of plain clusters; compressed ones have none. */
  #setFlags(page: TablePage, unshared: Uint8Array): void {
    let isChanged = false;
    for (let index = 0; index < unshared.length; index++) {
      const high = page.view.getUint32(index * this.#entrySize);
      if (isCompressed(high)) continue;
      const wanted = unshared[index] === 1 ? (high | COPIED_HIGH) >>> 0 : (high & ~COPIED_HIGH) >>> 0;
      if (wanted === high) continue;
      page.view.setUint32(index * this.#entrySize, wanted);
      isChanged = true;
    }
    if (isChanged) this.parts.tables.markDirty(page);
  }

  /** The flag of the L1 entry at host offset `at`. */
  *#setFlag(at: number, isUnshared: boolean): Steps<void> {
    const { tables } = this.parts;
    const page = yield* settle(tables.page(at));
    const high = page.view.getUint32(at - page.offset);
    if (isCopied(high) === isUnshared) return;
    page.view.setUint32(at - page.offset, isUnshared ? (high | COPIED_HIGH) >>> 0 : (high & ~COPIED_HIGH) >>> 0);
    tables.markDirty(page);
  }
}

/** Throws `corrupt` where a cluster is not counted that tables lead to. */
function inUse(refcount: number, cluster: number): void {
  if (refcount === 0) throw corrupt(`Cluster ${cluster} is in use, but its refcount is 0`);
}
