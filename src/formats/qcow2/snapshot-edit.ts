/**
 * Snapshots made, applied and deleted.
 *
 * **Crash safety is the order of writes**, as in `editor.ts`: references are counted before they are made, and given up
 * after they are gone. What makes the change is one write of the header each time.
 *
 * | made | applied | deleted |
 * |---|---|---|
 * | a copy of the L1 table, counted | all counts of the snapshot's clusters | a snapshot table without the entry |
 * | all counts of the disk's clusters | a copy of its L1 table, counted | **the header names it** |
 * | a snapshot table with one entry more | **the header names it, with the disk's size** | all counts of the snapshot's clusters |
 * | **the header names it** | all counts of the former disk's clusters | the "copied" flags of what is not shared any more |
 *
 * An interrupted run leaves counts that are too high, which is leaked clusters: `check -r all` gives them back.
 */
import { corrupt, ImageError } from '../../errors.js';
import type { NewSnapshot, SnapshotInfo } from '../../image/image.js';
import { clusterSizeOf, hasDataFile, l2CoverageOf, type QcowHeader } from './header.js';
import { patchHeader } from './header-patch.js';
import { overlapIn } from './l1-overlap.js';
import { ENTRY_SIZE, LIMITS, SNAPSHOT_EXTRA } from './layout.js';
import type { L1Table } from './map.js';
import { ProtectedRanges } from './protected.js';
import { DiskReferences } from './snapshot-references.js';
import { reserve, SnapshotTable, type SnapshotWork } from './snapshot-store.js';
import { findSnapshot, type Snapshot, snapshotL1, snapshotOf } from './snapshots.js';
import { perform, type Steps } from './steps.js';

/** Stretches of freed clusters that are remembered, to give their space back. */
const MOST_FREED = 1 << 18;
/** Bytes of an L1 table that are copied at once. */
const CHUNK = 256 * 1024;
/** QEMU keeps no longer names in memory, the zero at the end included. */
const LONGEST_NAME = 255;
const SECTOR = 512;

/** What the operations need of the editor. */
export interface SnapshotEditing extends SnapshotWork {
  /** Commits if memory demands it. */
  pause(): Steps<void>;
  /** The header has another size for the disk. */
  onSize(size: number): void;
  /** What is in memory must not get to the file any more. Throws the error. */
  fail(error: unknown): never;
}

export class SnapshotEditor {
  readonly #table: SnapshotTable;
  readonly #references: DiskReferences;
  /** Clusters that have become free: stretches of host bytes. */
  #freed: { offset: number; length: number }[] = [];

  constructor(
    private readonly editor: SnapshotEditing,
    entries: readonly Snapshot[],
  ) {
    this.#references = new DiskReferences(editor.parts, editor.pause);
    this.#table = new SnapshotTable(editor, this.#references, entries);
  }

  get entries(): readonly Snapshot[] {
    return this.#table.entries;
  }

  async create({ name, date }: NewSnapshot): Promise<Snapshot> {
    const { header } = this.editor.parts;
    this.#refuseDataFile();
    if (this.entries.length >= LIMITS.snapshots) throw new ImageError('unsupported', 'File too large');
    const active = activeL1(header);
    await this.#checkOverlap(active);
    return this.#change(() => this.#create(active, name, date));
  }

  async #create(active: L1Table, name: string, date: NewSnapshot['date']): Promise<Snapshot> {
    const { header, store } = this.editor.parts;
    await this.editor.commit();
    const l1TableOffset = await this.#copyL1(active, active.entries);
    // Counted in the file before the counts of the disk change: should that fail, the copy is all that is lost.
    await this.editor.commit();
    await perform(this.#references.raise(active));
    await this.editor.commit();
    const entry = newEntry(header, this.entries, name, date, l1TableOffset);
    await this.#table.replace([...this.entries, entry], this.#onFreed);
    await store.flush();
    await this.#end();
    return entry;
  }

  /** What is wrong with the snapshot goes to the events where the error is only the system's word for it. */
  async apply(idOrName: string): Promise<void> {
    try {
      this.#refuseDataFile();
      const snapshot = this.#find(idOrName);
      const tables = await this.#applicable(snapshot);
      await this.#change(() => this.#apply(snapshot, tables));
    } catch (error) {
      prefixed('Failed to load snapshot: ')(error);
    }
  }

  async #apply({ size }: Snapshot, { l1, entries }: { l1: L1Table; entries: number }): Promise<void> {
    const { header } = this.editor.parts;
    await this.editor.commit();
    await perform(this.#references.raise(l1));
    await this.editor.commit();
    const offset = await this.#copyL1(l1, entries);
    await this.editor.commit();
    const former = activeL1(header);
    await this.#enter(size, { offset, entries });
    await this.#giveUp(former);
    await this.#end();
  }

  /** The snapshot's L1 table, and the entries that the disk's own is going to have. */
  async #applicable(snapshot: Snapshot): Promise<{ l1: L1Table; entries: number }> {
    try {
      return { l1: await this.#l1Of(snapshot), entries: entriesFor(snapshot, this.editor.parts.header) };
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      this.editor.events.onTrouble(error.message);
      throw new ImageError(error.code, systemWord(error));
    }
  }

  async remove(wanted: SnapshotInfo): Promise<void> {
    this.#refuseDataFile();
    const snapshot = this.entries.find((entry) => entry === wanted);
    if (snapshot === undefined) throw new ImageError('not-found', "Can't find the snapshot");
    const l1 = await this.#l1Of(snapshot);
    await this.#change(() => this.#remove(snapshot, l1));
  }

  async #remove(snapshot: Snapshot, l1: L1Table): Promise<void> {
    await this.editor.commit();
    const others = this.entries.filter((entry) => entry !== snapshot);
    await this.#table.replace(others, this.#onFreed).catch(prefixed('Failed to remove snapshot from snapshot list: '));
    await this.#giveUp(l1).catch(prefixed('Failed to free the cluster and L1 table: '));
    const restore = async () => {
      await perform(this.#references.restoreFlags(activeL1(this.editor.parts.header)));
      await this.editor.commit();
    };
    await restore().catch(prefixed('Failed to update snapshot status in disk: '));
    await this.#end();
  }

  #refuseDataFile(): void {
    if (hasDataFile(this.editor.parts.header)) throw new ImageError('unsupported', 'Operation not supported');
  }

  #find(idOrName: string): Snapshot {
    try {
      return findSnapshot(this.entries, idOrName);
    } catch {
      throw new ImageError('not-found', 'No such file or directory');
    }
  }

  /** The snapshot's L1 table. Throws `corrupt` where it cannot be right. */
  async #l1Of(snapshot: Snapshot): Promise<L1Table> {
    const { header, store } = this.editor.parts;
    const l1 = snapshotL1(snapshot, header, store.size);
    await this.#checkOverlap(l1);
    return l1;
  }

  /** A walk takes no longer than the file is. Throws `corrupt` where it would. */
  async #checkOverlap(l1: L1Table): Promise<void> {
    const { header, store, tables } = this.editor.parts;
    const overlap = await overlapIn(l1, tables, clusterSizeOf(header), store.size);
    if (overlap !== null) throw overlap;
  }

  /** What fails from now on leaves the work half done, in memory at least. */
  async #change<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.editor.fail(error);
    }
  }

  /** Copies an L1 table as it is in the file to free clusters, filled up to `entries`; returns where it is. */
  async #copyL1(l1: L1Table, entries: number): Promise<number> {
    const { store } = this.editor.parts;
    const length = entries * ENTRY_SIZE;
    const offset = await reserve(this.editor.parts, length);
    for (let at = 0; at < length; at += CHUNK) {
      const bytes = new Uint8Array(Math.min(CHUNK, length - at));
      const kept = Math.min(bytes.length, l1.entries * ENTRY_SIZE - at);
      if (kept > 0) await store.read(l1.offset + at, bytes.subarray(0, kept));
      await store.write(offset + at, bytes);
    }
    return offset;
  }

  /** The header gets another L1 table and another size for the disk, in one write. */
  async #enter(size: number, { offset, entries }: L1Table): Promise<void> {
    const { store, header } = this.editor.parts;
    await store.flush();
    await patchHeader(store, { size: BigInt(size), l1Size: entries, l1TableOffset: BigInt(offset) });
    await store.flush();
    Object.assign(header, { size, l1Size: entries, l1TableOffset: offset });
    this.editor.onSize(size);
  }

  /** Gives up an L1 table that nothing refers to any more, with all that it leads to. */
  async #giveUp(l1: L1Table): Promise<void> {
    const { store, tables } = this.editor.parts;
    await perform(this.#references.lower(l1, this.#onFreed));
    store.announce?.('cluster_free');
    await perform(this.#references.lowerClusters(l1.offset, l1.entries * ENTRY_SIZE, this.#onFreed));
    await this.editor.commit();
    tables.discard(l1.offset, l1.entries * ENTRY_SIZE);
  }

  /** Others may go on from here: nothing is remembered that is not so any more, and free space is given back. */
  async #end(): Promise<void> {
    const { store, header, refcounts, clusterTables } = this.editor.parts;
    await this.editor.commit();
    clusterTables.forget();
    refcounts.protect(
      await ProtectedRanges.of(store, header, this.entries, refcounts.table.offsets, this.editor.events),
    );
    const freed = this.#freed;
    this.#freed = [];
    for (const { offset, length } of freed) {
      const stored = Math.min(length, store.size - offset);
      if (stored > 0) await store.zero(offset, stored);
    }
  }

  readonly #onFreed = (offset: number, length: number): void => {
    const last = this.#freed.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += length;
    else if (this.#freed.length < MOST_FREED) this.#freed.push({ offset, length });
  };
}

function activeL1({ l1TableOffset, l1Size }: QcowHeader): L1Table {
  return { offset: l1TableOffset, entries: l1Size };
}

/** Entries of the L1 table of a disk that is as it was at a snapshot; it never gets shorter. */
function entriesFor({ size, l1Size }: Snapshot, header: QcowHeader): number {
  if (size !== header.size && header.version < 3)
    throw new ImageError('unsupported', "Can't resize a v2 image which has snapshots");
  if (size % SECTOR !== 0) throw corrupt(`The new size must be a multiple of ${SECTOR}`);
  const entries = Math.max(l1Size, header.l1Size, Math.ceil(size / l2CoverageOf(header)));
  if (entries * ENTRY_SIZE > LIMITS.l1Bytes) throw corrupt('Snapshot disk size too large');
  return entries;
}

function newEntry(
  header: QcowHeader,
  others: readonly Snapshot[],
  name: string,
  date: NewSnapshot['date'],
  l1TableOffset: number,
): Snapshot {
  const extraData = new Uint8Array(SNAPSHOT_EXTRA.size);
  SNAPSHOT_EXTRA.write(extraData, { vmStateSize: 0n, diskSize: BigInt(header.size), icount: 0n });
  const utf8 = new TextEncoder();
  const idBytes = utf8.encode(nextId(others));
  const nameBytes = utf8.encode(name).slice(0, LONGEST_NAME);
  const fixed = {
    l1TableOffset: BigInt(l1TableOffset),
    l1Size: header.l1Size,
    idLength: idBytes.length,
    nameLength: nameBytes.length,
    seconds: date.seconds,
    nanoseconds: date.nanoseconds,
    vmClock: 0n,
    vmStateSize32: 0,
    extraDataSize: extraData.length,
  };
  return snapshotOf({ fixed, extraSize: extraData.length, extraData, idBytes, nameBytes }, header.size);
}

/** One more than the highest, of those that begin with digits. */
function nextId(snapshots: readonly Snapshot[]): string {
  let highest = 0n;
  for (const { id } of snapshots) {
    const number = BigInt(/^\s*\+?(\d+)/.exec(id)?.[1] ?? 0);
    if (number > highest) highest = number;
  }
  return String((highest + 1n) % (1n << 64n));
}

/** What the system says where QEMU tells it only by a number. */
function systemWord({ code, message }: ImageError): string {
  if (message.endsWith('too large')) return 'File too large';
  return code === 'unsupported' ? 'Operation not supported' : 'Invalid argument';
}

function prefixed(prefix: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof ImageError ? error.prefixed(prefix) : error;
  };
}
