/**
 * Refcounts as the image has them.
 *
 * Specification: QEMU, docs/interop/qcow2, "Host cluster management". The table may point anywhere; what lies beyond
 * the end of the file reads as zeros.
 */

import { viewOf } from '../../../bytes.js';
import { TableCache } from '../../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../../maybe.js';
import type { ByteSource, ByteStore } from '../../../storage/storage.js';
import { clusterSizeOf, type QcowHeader } from '../header.js';
import { ENTRY_SIZE } from '../layout.js';
import { type RefcountWidth, refcountWidth } from '../refcount-width.js';

/** Bytes of refcount blocks in memory. */
const MEMORY = 4 * 1024 * 1024;

/** Bits 0 to 8 of a table entry, which must be zero. */
const RESERVED = 0x1ff;

/** No storage of QEMU's is longer: what lies behind this cannot even be asked for. */
const HIGHEST_OFFSET = 2 ** 63 - 2 ** 30;

const TWO_32 = 0x1_0000_0000;

/** Where a block is said to be. */
export interface BlockReference {
  /** Host offset; 0: there is no block. */
  offset: number;
  hasReservedBits: boolean;
  isAligned: boolean;
}

/** Refcounts of the clusters [first, end). */
export interface CountsStretch {
  first: number;
  end: number;
  /** The bytes of the counts; null: all of them are zero. */
  view: DataView | null;
}

export class StoredRefcounts {
  readonly width: RefcountWidth;
  /** Refcounts in a block. */
  readonly perBlock: number;
  readonly #clusterSize: number;
  readonly #perPage: number;
  readonly #table: DataView;
  readonly #blocks: TableCache;
  /** Host offsets of all blocks, ascending; made when it is first needed. */
  #ascending: Float64Array | null = null;

  /** @param table the refcount table as stored */
  constructor(
    header: QcowHeader,
    private readonly source: ByteSource,
    store: ByteStore | null,
    table: Uint8Array,
  ) {
    this.#clusterSize = clusterSizeOf(header);
    this.width = refcountWidth(header.refcountOrder);
    this.perBlock = this.#clusterSize * this.width.perByte;
    this.#table = viewOf(table);
    this.#blocks = new TableCache(source, store, this.#clusterSize, MEMORY);
    this.#perPage = this.#blocks.pageSize * this.width.perByte;
  }

  /** Entries of the table. */
  get blockCount(): number {
    return this.#table.byteLength / ENTRY_SIZE;
  }

  block(index: number): BlockReference {
    const high = this.#table.getUint32(index * ENTRY_SIZE);
    const low = this.#table.getUint32(index * ENTRY_SIZE + 4);
    return {
      offset: high * TWO_32 + ((low & ~RESERVED) >>> 0),
      hasReservedBits: (low & RESERVED) !== 0,
      isAligned: ((low & ~RESERVED) >>> 0) % this.#clusterSize === 0,
    };
  }

  /** The host offsets of all blocks, 0 where there is none. */
  offsets(): Float64Array {
    return Float64Array.from({ length: this.blockCount }, (_, index) => this.block(index).offset);
  }

  /** Whether some block lies in the host bytes [start, end), if only in part. */
  meetsBlock(start: number, end: number): boolean {
    this.#ascending ??= this.offsets()
      .filter((offset) => offset !== 0)
      .sort();
    const offsets = this.#ascending;
    let low = 0;
    let high = offsets.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (offsets[middle]! + this.#clusterSize > start) high = middle;
      else low = middle + 1;
    }
    return low < offsets.length && offsets[low]! < end;
  }

  /**
   * The counts from `cluster` on, as far as they are described in one place. `unreadable`: by a block that cannot be;
   * it has this index in the table.
   */
  stretch(cluster: number): MaybePromise<CountsStretch | { unreadable: number; end: number }> {
    const index = Math.floor(cluster / this.perBlock);
    if (index >= this.blockCount) return { first: cluster, end: Number.POSITIVE_INFINITY, view: null };
    const endOfBlock = (index + 1) * this.perBlock;
    const { offset, isAligned } = this.block(index);
    if (offset === 0) return { first: cluster, end: endOfBlock, view: null };
    if (!isAligned || offset > HIGHEST_OFFSET) return { unreadable: index, end: endOfBlock };
    const page = Math.floor((cluster % this.perBlock) / this.#perPage);
    const at = offset + page * this.#blocks.pageSize;
    const first = index * this.perBlock + page * this.#perPage;
    if (at >= this.source.size) return { first, end: first + this.#perPage, view: null };
    const found = (view: DataView): CountsStretch => ({ first, end: first + this.#perPage, view });
    const stored = this.#blocks.page(at);
    return isPending(stored) ? stored.then((arrived) => found(arrived.view)) : found(stored.view);
  }

  /** The refcount of a cluster; null: its block cannot be read. */
  get(cluster: number): MaybePromise<number | null> {
    const countIn = (found: CountsStretch | { unreadable: number }) => {
      if ('unreadable' in found) return null;
      return found.view === null ? 0 : this.width.get(found.view, cluster - found.first);
    };
    const stretch = this.stretch(cluster);
    return isPending(stretch) ? stretch.then(countIn) : countIn(stretch);
  }

  /** Changes the refcount of a cluster whose block exists. */
  async set(cluster: number, count: number): Promise<void> {
    const index = Math.floor(cluster / this.perBlock);
    const pageInBlock = Math.floor((cluster % this.perBlock) / this.#perPage);
    const page = await this.#blocks.page(this.block(index).offset + pageInBlock * this.#blocks.pageSize);
    this.width.set(page.view, cluster % this.#perPage, count);
    this.#blocks.markDirty(page);
  }

  /** Writes all changes. */
  flush(): Promise<void> {
    return this.#blocks.flush();
  }
}
