/**
 * Counting references: everything in the file that refers to clusters, from the header down to the bitmaps.
 *
 * Specification: QEMU, docs/interop/qcow2. Nothing is believed: what refers to bytes beyond the end of the file is
 * damage and is not counted.
 */
import { viewOf } from '../../../bytes.js';
import type { CheckTally, ClusterUsage } from '../../../image/check.js';
import { ENTRY_SIZE, LIMITS, reservedL1Bits } from '../layout.js';
import { bitmapReferences } from './bitmap-references.js';
import { type CheckedFile, hex64, hexOffset } from './checked-file.js';
import { L2Check } from './l2-check.js';
import type { ReferenceCounts } from './reference-counts.js';

export class References {
  readonly #l2Table: Uint8Array;

  /** @param usage filled from the active L1 table */
  constructor(
    readonly file: CheckedFile,
    readonly counts: ReferenceCounts,
    readonly tally: CheckTally,
    readonly usage: ClusterUsage,
    /** Entries that make no sense are replaced where that loses nothing. */
    readonly repairs: boolean,
  ) {
    this.#l2Table = new Uint8Array(file.clusterSize);
  }

  /** Counts all references but those of the refcount table to its blocks. */
  async countAll(): Promise<void> {
    const { header } = this.file;
    this.count(0, this.file.clusterSize);
    await this.#countTree(header.l1TableOffset, header.l1Size, true);
    await this.#countSnapshots();
    this.count(header.refcountTableOffset, header.refcountTableClusters * this.file.clusterSize);
    const { encryption } = header.extensions;
    if (encryption !== null) this.count(encryption.offset, encryption.length);
    await bitmapReferences(this);
  }

  /**
   * Counts a reference to each cluster that [offset, offset + length) touches.
   *
   * @param shown the offset, for the message, where a number cannot hold it
   */
  count(offset: number, length: number, shown?: string): void {
    const { file, counts } = this;
    if (length <= 0) return;
    if (file.exceedsFile(offset, length)) {
      this.corruption(
        'ERROR: counting reference for region exceeding the end of the file by one cluster or more: ' +
          `offset 0x${shown ?? hexOffset(offset)} size 0x${length.toString(16)}`,
      );
      return;
    }
    const last = Math.floor((offset + length - 1) / file.clusterSize);
    for (let cluster = Math.floor(offset / file.clusterSize); cluster <= last; cluster++) {
      if (counts.add(cluster)) continue;
      this.corruption(
        `ERROR: overflow cluster offset=0x${hexOffset(cluster * file.clusterSize)}\n` +
          'Use qemu-img amend to increase the refcount entry width or qemu-img convert to create a clean copy if the ' +
          'image cannot be opened for writing',
      );
    }
  }

  corruption(line: string): void {
    this.tally.corruptions++;
    this.file.say(line);
  }

  async #countSnapshots(): Promise<void> {
    const { snapshots, snapshotTable, hasDataFile, clusterSize } = this.file;
    if (hasDataFile && snapshots.length > 0)
      this.corruption(`ERROR ${snapshots.length} snapshots in image with data file`);
    for (const { id, name, l1TableOffset, l1Size } of snapshots) {
      const who = `ERROR snapshot ${id} (${name})`;
      if (l1TableOffset % BigInt(clusterSize) !== 0n) {
        const where = `l1_offset=0x${l1TableOffset.toString(16)}`;
        this.corruption(`${who} ${where}: L1 table is not cluster aligned; snapshot table entry corrupted`);
      } else if (l1Size > LIMITS.l1Bytes / ENTRY_SIZE) {
        const size = `l1_size=0x${l1Size.toString(16)}`;
        this.corruption(`${who} ${size}: L1 table is too large; snapshot table entry corrupted`);
      } else await this.#countTree(Number(l1TableOffset), l1Size, false);
    }
    this.count(snapshotTable.offset, snapshotTable.length);
  }

  /** An L1 table and all below it. */
  async #countTree(offset: number, entries: number, isActive: boolean): Promise<void> {
    if (entries === 0) return;
    this.count(offset, entries * ENTRY_SIZE);
    for await (const { high, low, l2Offset } of this.file.l1Entries(offset, entries)) {
      if (reservedL1Bits(high, low))
        this.corruption(`ERROR found L1 entry with reserved bits set: ${hex64(high, low)}`);
      this.count(l2Offset, this.file.clusterSize);
      if (l2Offset % this.file.clusterSize !== 0) {
        this.corruption(`ERROR l2_offset=${hexOffset(l2Offset)}: Table is not cluster aligned; L1 entry corrupted`);
      }
      const used = await this.#readL2(l2Offset);
      await new L2Check(this, viewOf(this.#l2Table), l2Offset, isActive).run(used);
    }
  }

  async #readL2(offset: number): Promise<number> {
    try {
      return await this.file.readL2(offset, this.#l2Table);
    } catch (error) {
      this.file.say('ERROR: I/O error in check_refcounts_l2');
      throw error;
    }
  }
}
