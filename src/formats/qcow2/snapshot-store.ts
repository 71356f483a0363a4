/**
 * Making the snapshot table anew.
 *
 * Specification: QEMU, docs/interop/qcow2, "Snapshots". The table goes to free clusters and is counted there; then one
 * write of the header puts it in place of the old one, whose clusters are given up.
 */
import { ImageError } from '../../errors.js';
import type { CheckEvents } from '../../image/check.js';
import { clusterSizeOf } from './header.js';
import { patchHeader } from './header-patch.js';
import type { WritingParts } from './parts.js';
import { serializeEntries } from './snapshot-entry.js';
import type { DiskReferences, OnFreed } from './snapshot-references.js';
import { type Snapshot, tableLength } from './snapshots.js';
import { perform } from './steps.js';

/** What work on snapshots needs of the editor. */
export interface SnapshotWork {
  readonly parts: WritingParts;
  /** Brings the file's metadata up to what was changed. */
  commit(): Promise<void>;
  /** Told of failures besides the one that is thrown. */
  readonly events: CheckEvents;
}

export class SnapshotTable {
  #entries: readonly Snapshot[];
  /** Where it is in the file. */
  #place: { offset: number; length: number };

  constructor(
    private readonly work: SnapshotWork,
    private readonly references: DiskReferences,
    entries: readonly Snapshot[],
  ) {
    this.#entries = entries;
    this.#place = { offset: work.parts.header.snapshotsOffset, length: tableLength(entries) };
  }

  get entries(): readonly Snapshot[] {
    return this.#entries;
  }

  /** Puts a table of these entries in place of the one that is there. */
  async replace(entries: readonly Snapshot[], onFreed: OnFreed): Promise<void> {
    const { commit, parts } = this.work;
    const { store, header } = parts;
    const stored = entries.map((entry) => entry.stored);
    const bytes = serializeEntries(stored, header.size);
    const offset = await reserve(parts, bytes.length);
    if (bytes.length > 0) await store.write(offset, bytes);
    await commit();
    await store.flush();
    await patchHeader(store, { snapshotCount: entries.length, snapshotsOffset: BigInt(offset) });
    await store.flush();
    header.snapshotCount = entries.length;
    header.snapshotsOffset = offset;
    this.#entries = entries;
    const old = this.#place;
    this.#place = { offset, length: bytes.length };
    await this.#giveUp(old, onFreed);
  }

  async #giveUp({ offset, length }: { offset: number; length: number }, onFreed: OnFreed): Promise<void> {
    this.work.parts.store.announce?.('cluster_free');
    try {
      await perform(this.references.lowerClusters(offset, length, onFreed));
      await this.work.commit();
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      this.work.events.onFinding(`qcow2_free_clusters failed: ${error.message}`);
    }
  }
}

/** Takes free clusters for a table of `length` bytes, which is to be written past the caches; 0 if it is empty. */
export async function reserve({ header, refcounts, space, tables }: WritingParts, length: number): Promise<number> {
  if (length === 0) return 0;
  const clusters = Math.ceil(length / clusterSizeOf(header));
  const offset = await perform(refcounts.allocate(clusters));
  space.claim(offset, length);
  tables.discard(offset, clusters * clusterSizeOf(header));
  return offset;
}
