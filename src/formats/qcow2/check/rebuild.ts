/**
 * Refcount structures made anew from the counted references.
 *
 * Nothing of the old structures is used or overwritten: new blocks and a new table go to clusters that nothing refers
 * to, and the header changes to them at the end, in one write. The old ones are leaks from then on.
 */
import { viewOf, writeU64 } from '../../../bytes.js';
import { ImageError } from '../../../errors.js';
import type { CheckTally } from '../../../image/check.js';
import { ENTRY_SIZE, HEADER_V2 } from '../layout.js';
import { type CheckedFile, ioError } from './checked-file.js';
import { allowsWrite } from './overlap.js';
import type { ReferenceCounts } from './reference-counts.js';

/** `counts` takes up the new structures themselves. Throws if a place turns out to hold metadata, or writing fails. */
export async function rebuildRefcounts(file: CheckedFile, counts: ReferenceCounts, tally: CheckTally): Promise<void> {
  await new Rebuilder(file, counts, tally).run();
}

class Rebuilder {
  readonly #perBlock: number;
  readonly #entriesPerCluster: number;
  /** Host offsets of the new blocks, 0 where there is none; whole clusters of entries. */
  #table: number[] = [];

  constructor(
    private readonly file: CheckedFile,
    private readonly counts: ReferenceCounts,
    private readonly tally: CheckTally,
  ) {
    this.#perBlock = file.refcounts.perBlock;
    this.#entriesPerCluster = file.clusterSize / ENTRY_SIZE;
  }

  async run(): Promise<void> {
    const { file } = this;
    await this.#writeBlocks(0, this.counts.length);
    let offset: number;
    let hasGrown: boolean;
    do {
      // The table is counted in blocks that are written already; writing those again may need a longer table.
      const clusters = this.#table.length / this.#entriesPerCluster;
      const first = this.#allocate(clusters, 0);
      offset = first * file.clusterSize;
      hasGrown = await this.#writeBlocks(first, first + clusters);
    } while (hasGrown);
    const bytes = new Uint8Array(this.#table.length * ENTRY_SIZE);
    for (const [index, block] of this.#table.entries()) writeU64(viewOf(bytes), index * ENTRY_SIZE, block, false);
    await this.#write('reftable', offset, bytes);
    await file.flush();
    await this.#switchTo(offset, bytes);
  }

  /** Writes the blocks of all clusters of [first, end) that are in use. Returns whether the table has grown. */
  async #writeBlocks(first: number, end: number): Promise<boolean> {
    const { file, counts } = this;
    let hasGrown = false;
    let stop = end;
    for (let cluster = first; cluster < stop; cluster++) {
      cluster = counts.skipUncounted(cluster, stop);
      if (cluster === stop || counts.get(cluster) === 0) continue;
      const index = Math.floor(cluster / this.#perBlock);
      if (!this.#table[index]) {
        // Not before this block's own stretch: what is counted there is written already.
        const place = this.#allocate(1, index * this.#perBlock);
        stop = Math.max(stop, place + 1);
        hasGrown = this.#reserveEntry(index) || hasGrown;
        this.#table[index] = place * file.clusterSize;
      }
      await this.#write('refblock', this.#table[index]!, this.#blockBytes(index));
      cluster = (index + 1) * this.#perBlock - 1;
    }
    return hasGrown;
  }

  #reserveEntry(index: number): boolean {
    if (index < this.#table.length) return false;
    const length = Math.ceil((index + 1) / this.#entriesPerCluster) * this.#entriesPerCluster;
    while (this.#table.length < length) this.#table.push(0);
    return true;
  }

  /** Takes the first `count` clusters in a row, from cluster `from` on, that nothing refers to. */
  #allocate(count: number, from: number): number {
    const { counts } = this;
    let run = 0;
    let cluster = from;
    for (; run < count; cluster++) run = counts.get(cluster) === 0 ? run + 1 : 0;
    const first = cluster - count;
    for (let taken = first; taken < cluster; taken++) counts.set(taken, 1);
    return first;
  }

  #blockBytes(index: number): Uint8Array {
    const bytes = new Uint8Array(this.file.clusterSize);
    const view = viewOf(bytes);
    const first = index * this.#perBlock;
    const { width } = this.file.refcounts;
    for (let entry = 0; entry < this.#perBlock; entry++) {
      const count = this.counts.get(first + entry);
      if (count !== 0) width.set(view, entry, count);
    }
    return bytes;
  }

  async #write(what: 'refblock' | 'reftable', offset: number, bytes: Uint8Array): Promise<void> {
    const { file, tally } = this;
    try {
      if (!(await allowsWrite(file, null, offset, bytes.length))) throw ioError();
      await file.store.write(offset, bytes);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      file.events.onTrouble(`ERROR writing ${what}: ${error.message}`);
      tally.checkErrors++;
      throw error;
    }
  }

  /** One write, within one sector: the header has the old table or the new one. */
  async #switchTo(offset: number, table: Uint8Array): Promise<void> {
    const { file } = this;
    const refcountTableClusters = table.length / file.clusterSize;
    const start = new Uint8Array(HEADER_V2.size);
    await file.read(0, start);
    HEADER_V2.write(start, { refcountTableOffset: BigInt(offset), refcountTableClusters });
    await file.store.write(0, start);
    await file.flush();
    file.header.refcountTableOffset = offset;
    file.header.refcountTableClusters = refcountTableClusters;
    file.adoptRefcountTable(table);
  }
}
