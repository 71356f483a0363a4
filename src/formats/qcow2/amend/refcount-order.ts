/**
 * Refcounts of another width.
 *
 * New blocks and a new table are allocated by the old structures, until those count all of the new ones; then the new
 * ones are written, and one write of the header changes over to them. Where clusters go is as QEMU has it.
 */
import { viewOf, writeU64 } from '../../../bytes.js';
import { corrupt, ImageError } from '../../../errors.js';
import { isPending } from '../../../maybe.js';
import { clusterSizeOf } from '../header.js';
import { ENTRY_SIZE, LIMITS } from '../layout.js';
import type { MetadataFile } from '../metadata-file.js';
import { type RefcountWidth, refcountWidth } from '../refcount-width.js';
import { perform } from '../steps.js';

/** Of `work` units, `done` are done. */
type Tell = (done: number, work: number) => void;

/** Walks over all refcounts that there are normally: two that allocate, one that writes. */
const USUAL_WALKS = 3;

/** Throws `invalid` where a refcount does not fit, `unsupported` where the table would be too large; the image is as it was then. */
export async function changeRefcountOrder(file: MetadataFile, order: number, tell: Tell): Promise<void> {
  const change = new OrderChange(file, order, tell);
  try {
    await change.prepare();
  } catch (error) {
    await change.giveUp().catch(() => {});
    throw error;
  }
  await change.switchOver();
}

class OrderChange {
  readonly #clusterSize: number;
  readonly #width: RefcountWidth;
  /** Clusters that a new block describes. */
  readonly #perBlock: number;
  /** Host offsets of the new blocks, 0 where there is none; whole clusters of entries. */
  #table: Float64Array = new Float64Array(0);
  /** Where the new table lies; `length` is what was allocated. */
  #place = { offset: 0, length: 0 };

  constructor(
    private readonly file: MetadataFile,
    private readonly order: number,
    private readonly tell: Tell,
  ) {
    this.#clusterSize = clusterSizeOf(file.header);
    this.#width = refcountWidth(order);
    this.#perBlock = this.#clusterSize * this.#width.perByte;
  }

  /** Allocates and writes the new structures; nothing refers to them yet. */
  async prepare(): Promise<void> {
    const { refcounts, store } = this.file.writing;
    let walks = 0;
    let allocated: boolean;
    do {
      allocated = await this.#walk(walks++, Math.max(walks + 1, USUAL_WALKS), (index) => this.#allocateBlock(index));
      if (!allocated) break;
      if (this.#place.offset !== 0) await perform(refcounts.free(this.#place.offset, this.#place.length));
      const length = this.#table.length * ENTRY_SIZE;
      const offset = await perform(refcounts.allocate(length / this.#clusterSize));
      this.#place = { offset, length };
    } while (allocated);
    await this.file.settle();
    const block = new Uint8Array(this.#clusterSize);
    await this.#walk(walks, walks + 1, (index) => this.#writeBlock(index, block), viewOf(block));
    const bytes = new Uint8Array(this.#table.length * ENTRY_SIZE);
    for (const [index, offset] of this.#table.entries()) writeU64(viewOf(bytes), index * ENTRY_SIZE, offset, false);
    await store.write(this.#place.offset, bytes);
    this.file.writing.space.claim(this.#place.offset, bytes.length);
  }

  /** From now on the new structures count; the old ones are freed by them. */
  async switchOver(): Promise<void> {
    const { file } = this;
    const { header } = file;
    const old = { table: file.writing.refcounts.table.offsets, offset: header.refcountTableOffset };
    header.refcountOrder = this.order;
    header.refcountTableOffset = this.#place.offset;
    header.refcountTableClusters = this.#place.length / this.#clusterSize;
    await file.writeHeader();
    await file.adoptRefcounts(this.#table);
    const { refcounts } = file.writing;
    for (const block of old.table) if (block !== 0) await perform(refcounts.free(block, this.#clusterSize));
    await perform(refcounts.free(old.offset, old.table.length * ENTRY_SIZE));
    await file.settle();
  }

  /** Frees what was allocated for nothing. */
  async giveUp(): Promise<void> {
    const { refcounts } = this.file.writing;
    for (const block of this.#table) if (block !== 0) await perform(refcounts.free(block, this.#clusterSize));
    if (this.#place.offset !== 0) await perform(refcounts.free(this.#place.offset, this.#place.length));
    await this.file.settle();
  }

  /**
   * Goes through all refcounts and calls `onBlock` for each new block that is needed or there, when all that it
   * describes was seen; returns whether one of the calls has allocated something. With `into`, the counts are written
   * there, block by block.
   */
  async #walk(
    walk: number,
    walks: number,
    onBlock: (index: number) => Promise<boolean>,
    into?: DataView,
  ): Promise<boolean> {
    const { table } = this.file.writing.refcounts;
    const entries = table.length;
    let allocated = false;
    let isEmpty = true;
    let filled = 0;
    const end = entries * table.perBlock;
    for (let cluster = 0; cluster < end; ) {
      if (cluster % table.perBlock === 0) this.tell(walk * entries + cluster / table.perBlock, walks * entries);
      const found = perform(table.stretch(cluster));
      const { end: stretchEnd, get } = isPending(found) ? await found : found;
      const stop = Math.min(stretchEnd, end, filled + this.#perBlock);
      if (get !== null)
        for (let at = cluster; at < stop; at++) {
          const count = get(at);
          if (count === 0) continue;
          this.#checkFits(at, count);
          isEmpty = false;
          if (into) this.#width.set(into, at - filled, count);
        }
      cluster = stop;
      if (cluster === end || cluster === filled + this.#perBlock) {
        const index = filled / this.#perBlock;
        if ((!isEmpty || this.#table[index]) && (await onBlock(index))) allocated = true;
        filled += this.#perBlock;
        isEmpty = true;
      }
    }
    this.tell((walk + 1) * entries, walks * entries);
    return allocated;
  }

  #checkFits(cluster: number, count: number): void {
    if (count <= this.#width.max) return;
    const offset = (cluster * this.#clusterSize).toString(16);
    throw new ImageError(
      'invalid',
      `Cannot decrease refcount entry width to ${2 ** this.order} bits: ` +
        `Cluster at offset 0x${offset} has a refcount of ${BigInt(count)}`,
    );
  }

  async #allocateBlock(index: number): Promise<boolean> {
    if (index >= this.#table.length) this.#table = this.#longerTable(index + 1);
    if (this.#table[index] !== 0) return false;
    const offset = await perform(this.file.writing.refcounts.allocate(1));
    this.#table[index] = offset;
    await this.file.makeRoom();
    return true;
  }

  #longerTable(length: number): Float64Array {
    const perCluster = this.#clusterSize / ENTRY_SIZE;
    const whole = Math.ceil(length / perCluster) * perCluster;
    if (whole * ENTRY_SIZE > LIMITS.refcountTableBytes)
      throw new ImageError(
        'unsupported',
        'This operation would make the refcount table grow beyond the maximum size supported by QEMU, aborting',
      );
    const table = new Float64Array(whole);
    table.set(this.#table);
    return table;
  }

  async #writeBlock(index: number, block: Uint8Array): Promise<boolean> {
    const offset = this.#table[index] ?? 0;
    if (offset !== 0) {
      await this.file.writing.store.write(offset, block);
      this.file.writing.space.claim(offset, block.length);
    } else if (block.some((byte) => byte !== 0)) throw corrupt('Refcounts have changed while they were rewritten');
    block.fill(0);
    return false;
  }
}
