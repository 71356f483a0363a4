/**
 * Writing the snapshot table again, with entries as they should be.
 *
 * The new table goes to free clusters, so the refcounts have to be right by then. The header changes to it in one
 * write; then the old one is freed.
 */
import { ImageError } from '../../../errors.js';
import type { CheckTally } from '../../../image/check.js';
import { TableCache } from '../../../image/table-cache.js';
import { type HeaderFields, patchHeader } from '../header-patch.js';
import { HostSpace } from '../host-space.js';
import { Refcounts } from '../refcounts.js';
import { serializeEntries } from '../snapshot-entry.js';
import { perform } from '../steps.js';
import { type CheckedFile, ioError } from './checked-file.js';
import { allowsWrite } from './overlap.js';

/** Bytes of refcount blocks in memory. */
const MEMORY = 4 * 1024 * 1024;

/** Repairs what `readSnapshotTable` has counted as corruptions in `tally`. */
export async function repairSnapshotTable(file: CheckedFile, tally: CheckTally): Promise<void> {
  if (tally.corruptions === 0) return;
  try {
    await rewriteSnapshotTable(file);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    tally.checkErrors++;
    file.say(`ERROR failed to update snapshot table: ${error.message}`);
    throw error;
  }
  tally.corruptionsFixed += tally.corruptions;
  tally.corruptions = 0;
}

/** Writes the table as `file` has it, with complete entries, and changes the header to it. */
export async function rewriteSnapshotTable(file: CheckedFile): Promise<void> {
  await new SnapshotTableWriter(file).write();
}

class SnapshotTableWriter {
  readonly #blocks: TableCache;
  readonly #refcounts: Refcounts;

  constructor(private readonly file: CheckedFile) {
    const { store, header, clusterSize } = file;
    const space = new HostSpace(store.size, store.size);
    this.#blocks = new TableCache(store, store, clusterSize, MEMORY);
    this.#refcounts = new Refcounts(store, header, this.#blocks, space, file.refcounts.offsets());
  }

  async write(): Promise<void> {
    const { file } = this;
    const old = file.snapshotTable;
    const table = serializeEntries(file.snapshots, file.header.size);
    const clusters = Math.ceil(table.length / file.clusterSize);
    const offset = await perform(this.#refcounts.allocate(clusters));
    await this.#flushRefcounts();
    if (!(await allowsWrite(file, null, offset, table.length))) throw ioError();
    await file.store.write(offset, table);
    await file.flush();
    await this.#pointTo({ snapshotCount: file.snapshots.length, snapshotsOffset: BigInt(offset) });
    file.snapshotTable = { offset, length: table.length };
    // A table of impossible length was not counted as a reference, so its clusters may belong to others.
    if (file.exceedsFile(old.offset, old.length)) return;
    await perform(this.#refcounts.free(old.offset, old.length));
    await this.#flushRefcounts();
    await this.#release(old.offset, old.length);
  }

  /** Gives back the space of clusters that have become free. */
  async #release(offset: number, length: number): Promise<void> {
    const { refcounts, clusterSize, store } = this.file;
    for (let at = offset; at < offset + length; at += clusterSize) {
      const size = Math.min(clusterSize, store.size - at);
      if (size > 0 && (await refcounts.get(at / clusterSize)) === 0) await store.zero(at, size);
    }
  }

  async #flushRefcounts(): Promise<void> {
    const { file } = this;
    const { refcountTableOffset } = file.header;
    await this.#blocks.flush();
    await perform(this.#refcounts.writeTable());
    await file.flush();
    await file.reloadRefcounts();
    await this.#pointTo({
      refcountTableOffset: BigInt(refcountTableOffset),
      refcountTableClusters: file.header.refcountTableClusters,
    });
  }

  async #pointTo(fields: HeaderFields): Promise<void> {
    if (await patchHeader(this.file.store, fields)) await this.file.flush();
  }
}
