/**
 * Counting references: everything in the file that refers to clusters, from the header down to the bitmaps.
 *
 * Specification: QEMU, docs/interop/qcow2.
 */
import { viewOf } from '../../../bytes.js';
import { ENTRY_SIZE, LIMITS, reservedL1Bits } from '../layout.js';
import { bitmapReferences } from './bitmap-references.js';
import { hex64, hexOffset } from './checked-file.js';
import { L2Check } from './l2-check.js';
import type { References } from './references.js';

/** Counts all references but those of the refcount table to its blocks. */
export async function countReferences(references: References): Promise<void> {
  await new ReferenceWalk(references).run();
}

class ReferenceWalk {
  readonly #l2Table: Uint8Array;

  constructor(private readonly references: References) {
    this.#l2Table = new Uint8Array(references.file.clusterSize);
  }

  async run(): Promise<void> {
    const { references } = this;
    const { header, clusterSize } = references.file;
    references.count(0, clusterSize);
    await this.#countTree(header.l1TableOffset, header.l1Size, true);
    await this.#countSnapshots();
    references.count(header.refcountTableOffset, header.refcountTableClusters * clusterSize);
    const { encryption } = header.extensions;
    if (encryption !== null) references.count(encryption.offset, encryption.length);
    await bitmapReferences(references);
  }

  async #countSnapshots(): Promise<void> {
    const { references } = this;
    const { snapshots, snapshotTable, hasDataFile, clusterSize } = references.file;
    if (hasDataFile && snapshots.length > 0)
      references.corruption(`ERROR ${snapshots.length} snapshots in image with data file`);
    for (const { id, name, l1TableOffset, l1Size } of snapshots) {
      const who = `ERROR snapshot ${id} (${name})`;
      if (l1TableOffset % BigInt(clusterSize) !== 0n) {
        const where = `l1_offset=0x${l1TableOffset.toString(16)}`;
        references.corruption(`${who} ${where}: L1 table is not cluster aligned; snapshot table entry corrupted`);
      } else if (l1Size > LIMITS.l1Bytes / ENTRY_SIZE) {
        const size = `l1_size=0x${l1Size.toString(16)}`;
        references.corruption(`${who} ${size}: L1 table is too large; snapshot table entry corrupted`);
      } else await this.#countTree(Number(l1TableOffset), l1Size, false);
    }
    references.count(snapshotTable.offset, snapshotTable.length);
  }

  /** An L1 table and all below it. */
  async #countTree(offset: number, entries: number, isActive: boolean): Promise<void> {
    if (entries === 0) return;
    const { references } = this;
    const { file } = references;
    references.count(offset, entries * ENTRY_SIZE);
    for await (const { high, low, l2Offset } of file.l1Entries(offset, entries)) {
      if (reservedL1Bits(high, low))
        references.corruption(`ERROR found L1 entry with reserved bits set: ${hex64(high, low)}`);
      references.count(l2Offset, file.clusterSize);
      if (l2Offset % file.clusterSize !== 0) {
        references.corruption(
          `ERROR l2_offset=${hexOffset(l2Offset)}: Table is not cluster aligned; L1 entry corrupted`,
        );
      }
      const used = await this.#readL2(l2Offset);
      await new L2Check(references, viewOf(this.#l2Table), l2Offset, isActive).run(used);
    }
  }

  async #readL2(offset: number): Promise<number> {
    const { file } = this.references;
    try {
      return await file.readL2(offset, this.#l2Table);
    } catch (error) {
      file.say('ERROR: I/O error in check_refcounts_l2');
      throw error;
    }
  }
}
