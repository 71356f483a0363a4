/**
 * Zero clusters as version 2 has them.
 *
 * Version 2 knows no clusters that are zeros by their entry alone. Where nothing shows through, such an entry becomes
 * unallocated; over a backing file it gets a cluster full of zeros. A zero cluster that keeps a place in the file gets
 * its zeros there, unless somebody else's data lies there too: a snapshot's. L2 tables are changed in place, also those
 * that several snapshots share: their clusters are then referred to as often as the table is.
 */
import { corrupt, ImageError } from '../../../errors.js';
import { alternateHex } from '../corruption.js';
import { clearStore } from '../encryption.js';
import { overlapIn } from '../l1-overlap.js';
import { COPIED_HIGH, ENTRY_SIZE, highOf, hostOffsetOf, isCompressed, lowOf, readsAsZero } from '../layout.js';
import type { L1Table } from '../map.js';
import type { MetadataFile } from '../metadata-file.js';
import { type Snapshot, snapshotL1 } from '../snapshots.js';
import { perform } from '../steps.js';

/** An L2 table, and what has to be known to change it. */
interface L2Table {
  offset: number;
  /** L1 tables that refer to it. */
  references: number;
  /** Byte of the guest's disk that its first entry maps. */
  guest: number;
}

/** All zero clusters, of the active disk and of the snapshots. Returns whether there are compressed clusters. */
export async function expandZeros(file: MetadataFile, tell: (done: number, work: number) => void): Promise<boolean> {
  const expansion = new ZeroExpansion(file);
  const { header, writing, snapshots } = file;
  const fileSize = Math.max(writing.store.size, writing.space.end);
  const active = { offset: header.l1TableOffset, entries: header.l1Size };
  const work = snapshots.reduce((sum, { l1Size }) => sum + l1Size, header.l1Size);
  let done = 0;
  const next = () => tell(++done, work);
  await expansion.expand(active, fileSize, next);
  await file.settle();
  for (const snapshot of snapshots) await expansion.expand(checkedL1(file, snapshot, fileSize), fileSize, next);
  await file.settle();
  return expansion.sawCompressed;
}

class ZeroExpansion {
  sawCompressed = false;
  readonly #clusterSize: number;
  readonly #hasBacking: boolean;
  /** L2 tables that are done; as many as the file has, at most. */
  readonly #done = new Set<number>();

  constructor(private readonly file: MetadataFile) {
    this.#clusterSize = file.writing.clusterTables.clusterSize;
    this.#hasBacking = file.header.backingFile !== null;
  }

  /** `next` is called for each entry of the L1 table. */
  async expand(l1: L1Table, fileSize: number, next: () => void): Promise<void> {
    const { tables, clusterTables, refcounts } = this.file.writing;
    const overlap = await overlapIn(l1, tables, this.#clusterSize, fileSize);
    if (overlap !== null) throw overlap;
    for (let index = 0; index < l1.entries; index++) {
      const at = l1.offset + index * ENTRY_SIZE;
      const { offset: start, view } = await tables.page(at);
      const offset = hostOffsetOf(view.getUint32(at - start), view.getUint32(at - start + 4));
      if (offset % this.#clusterSize !== 0)
        throw await this.file.signalCorruption(
          `L2 table offset ${alternateHex(offset)} unaligned (L1 index: ${alternateHex(index)})`,
        );
      if (offset !== 0 && !this.#done.has(offset)) {
        this.#done.add(offset);
        const references = await perform(refcounts.count(offset));
        await this.#expandTable({ offset, references, guest: index * clusterTables.coverage });
      }
      next();
    }
  }

  async #expandTable(table: L2Table): Promise<void> {
    const { tables } = this.file.writing;
    for (let at = table.offset; at < table.offset + this.#clusterSize; at += ENTRY_SIZE) {
      let page = await tables.page(at);
      const within = at - page.offset;
      const high = page.view.getUint32(within);
      const low = page.view.getUint32(within + 4);
      if (isCompressed(high)) this.sawCompressed = true;
      else if (readsAsZero(low)) {
        const guest = table.guest + ((at - table.offset) / ENTRY_SIZE) * this.#clusterSize;
        const old = hostOffsetOf(high, low);
        if (old % this.#clusterSize !== 0) throw await this.#unaligned(old, table.offset, at);
        const host = await this.#placeOfZeros(table.references, old, guest);
        page = await tables.page(at);
        const copied = host !== 0 && table.references === 1 ? COPIED_HIGH : 0;
        page.view.setUint32(within, (highOf(host) | copied) >>> 0);
        page.view.setUint32(within + 4, lowOf(host));
        tables.markDirty(page);
      }
    }
    await this.file.makeRoom();
  }

  /** Where zeros are stored for an entry that had its cluster at `host`, in a table with so many references; 0: nowhere. */
  async #placeOfZeros(references: number, host: number, guest: number): Promise<number> {
    const { refcounts } = this.file.writing;
    if (host !== 0) {
      if ((await perform(refcounts.count(host))) <= references) {
        await this.#fill(host, guest);
        return host;
      }
      for (let times = 0; times < references; times++) await perform(refcounts.free(host, this.#clusterSize));
    }
    if (!this.#hasBacking) return 0;
    const place = await perform(refcounts.allocate(1));
    if (references > 1) await perform(refcounts.addReferences(place, references - 1));
    await this.#fill(place, guest);
    return place;
  }

  #unaligned(host: number, table: number, at: number): Promise<ImageError> {
    const index = alternateHex((at - table) / ENTRY_SIZE);
    const where = `(L2 offset: ${alternateHex(table)}, L2 index: ${index})`;
    return this.file.signalCorruption(`Cluster allocation offset ${alternateHex(host)} unaligned ${where}`);
  }

  async #fill(host: number, guest: number): Promise<void> {
    const { data, cipher, space } = this.file.writing;
    const isBlank = cipher === null && host >= space.untouched;
    space.claim(host, this.#clusterSize);
    if (isBlank) return;
    const clear = clearStore(data, cipher, guest, host);
    await clear.store.zero(clear.offset, this.#clusterSize);
  }
}

/** The L1 table of a snapshot; what is wrong with it is told in a line of its own. */
function checkedL1(file: MetadataFile, snapshot: Snapshot, fileSize: number): L1Table {
  try {
    return snapshotL1(snapshot, file.header, fileSize);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    file.tellTrouble(error.message);
    throw corrupt(error.message.endsWith('too large') ? 'File too large' : 'Invalid argument');
  }
}

/** As the failure of a whole downgrade is told. */
export function expansionFailed(error: unknown): unknown {
  return error instanceof ImageError ? error.prefixed('Failed to turn zero into data clusters: ') : error;
}
