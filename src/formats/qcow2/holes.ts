/**
 * Holes of the storage within allocated clusters.
 *
 * An image with preallocated metadata maps all of the guest's disk while most of the file is a hole: reading that would
 * be reading zeros. So where much less of the file is allocated than the refcounts say is in use, data runs are
 * compared with the storage's own extents. For other images that would be questions without a gain, and `qemu-img`
 * does not ask them either; this is the rule by which it tells the two apart.
 */

import type { TableCache } from '../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSource, StorageExtent } from '../../storage/storage.js';
import { clusterSizeOf, type QcowHeader } from './header.js';
import { CRYPT, ENTRY_SIZE, hostOffsetOf } from './layout.js';
import type { Run } from './map.js';
import { refcountWidth } from './refcount-width.js';

export class DataHoles {
  /** Asked for once, at the first question for status. */
  #isSparse: MaybePromise<boolean> | null = null;

  constructor(
    private readonly header: QcowHeader,
    private readonly source: ByteSource,
    private readonly data: ByteSource | null,
    private readonly tables: TableCache,
  ) {}

  /** The same runs, with holes as zeros: a non-empty prefix of what `runs` cover. */
  applied(runs: readonly Run[]): MaybePromise<readonly Run[]> {
    this.#isSparse ??= this.#detect();
    if (this.#isSparse === false) return runs;
    if (this.#isSparse === true) return this.#split(runs);
    return this.#isSparse.then((isSparse) => {
      this.#isSparse = isSparse;
      return isSparse ? this.#split(runs) : runs;
    });
  }

  /** Stops at the first answer that has to be waited for, or that does not cover its run. */
  #split(runs: readonly Run[]): MaybePromise<readonly Run[]> {
    const split: Run[] = [];
    for (const run of runs) {
      if (run.kind !== 'data') {
        split.push(run);
        continue;
      }
      const pieces = this.#piecesOf(run);
      if (isPending(pieces)) {
        if (split.length === 0) return pieces;
        pieces.catch(() => {});
        break;
      }
      split.push(...pieces);
      const last = split.at(-1)!;
      if (last.start + last.length < run.start + run.length) break;
    }
    return split;
  }

  /** Data and holes of a prefix of `run`. */
  #piecesOf(run: Run): MaybePromise<Run[]> {
    const data = this.data!;
    const host = run.hostOffset!;
    if (host >= data.size) return [{ ...run, kind: 'zero', isHole: true }];
    const answer = data.extents!(host, Math.min(run.length, data.size - host));
    return isPending(answer) ? answer.then((extents) => piecesFrom(extents, run)) : piecesFrom(answer, run);
  }

  #detect(): MaybePromise<boolean> {
    const { source, data } = this;
    // Holes of an encrypted image do not decrypt to zeros.
    if (this.header.cryptMethod !== CRYPT.none) return false;
    if (data?.extents === undefined || source.allocated === undefined) return false;
    const clusterSize = clusterSizeOf(this.header);
    const allocated = Math.floor(source.allocated() / clusterSize);
    const threshold = Math.max(Math.floor((allocated * 10) / 9), allocated + 2);
    const clusters = Math.ceil(source.size / clusterSize);
    return clusters < threshold ? false : this.#countReaches(threshold, clusters);
  }

  /** Whether at least `threshold` of the file's `clusters` clusters are in use by their refcounts. */
  async #countReaches(threshold: number, clusters: number): Promise<boolean> {
    const { refcountTableOffset, refcountTableClusters } = this.header;
    const clusterSize = clusterSizeOf(this.header);
    const perBlock = (clusterSize * 8) / 2 ** this.header.refcountOrder;
    const blocks = Math.min(Math.ceil(clusters / perBlock), (refcountTableClusters * clusterSize) / ENTRY_SIZE);
    let count = 0;
    for (let block = 0; block < blocks && count < threshold; block++) {
      const entry = refcountTableOffset + block * ENTRY_SIZE;
      if (entry >= this.source.size) break;
      const { view, offset } = await this.tables.page(entry);
      const blockOffset = hostOffsetOf(view.getUint32(entry - offset), view.getUint32(entry - offset + 4));
      if (blockOffset === 0) continue;
      // Damaged refcounts do not hinder reading; they only tell nothing.
      if (blockOffset % clusterSize !== 0 || blockOffset >= this.source.size) return false;
      count += await this.#countInBlock(blockOffset);
    }
    return count >= threshold;
  }

  async #countInBlock(blockOffset: number): Promise<number> {
    const { get, perByte } = refcountWidth(this.header.refcountOrder);
    let count = 0;
    const end = Math.min(blockOffset + clusterSizeOf(this.header), this.source.size);
    for (let at = blockOffset; at < end; at += this.tables.pageSize) {
      const { view } = await this.tables.page(at);
      const entries = this.tables.pageSize * perByte;
      for (let index = 0; index < entries; index++) if (get(view, index) !== 0) count++;
    }
    return count;
  }
}

function piecesFrom(extents: readonly StorageExtent[], run: Run): Run[] {
  return extents.map(({ start, length, hole }) => ({
    kind: hole ? 'zero' : 'data',
    start: run.start + (start - run.hostOffset!),
    length,
    hostOffset: start,
    packedLength: 0,
    isHole: hole,
  }));
}
