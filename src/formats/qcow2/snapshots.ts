/**
 * The snapshot table.
 *
 * Specification: QEMU, docs/interop/qcow2, "Snapshots".
 */
import { cString, roundUp } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import type { SnapshotInfo } from '../../image/image.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import { checkedTable, clusterSizeOf, type QcowHeader } from './header.js';
import { ENTRY_SIZE, LIMITS, SNAPSHOT, SNAPSHOT_EXTRA } from './layout.js';
import type { L1Table } from './map.js';
import { NO_ICOUNT, type StoredEntry, upToNul } from './snapshot-entry.js';

/** An entry of the table. */
export interface Snapshot extends SnapshotInfo {
  /** As stored; `snapshotL1` checks them. */
  l1TableOffset: bigint;
  /** Entries. */
  l1Size: number;
  /** For whoever writes the table anew. */
  stored: StoredEntry;
}

/** Reads the whole table: at most 64 MiB. Behind the end of the file there are zeros, as QEMU has it. */
export async function readSnapshots(source: ByteSource, header: QcowHeader): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = [];
  const reader = new TableReader(source, header.snapshotsOffset);
  for (let index = 0; index < header.snapshotCount; index++) {
    reader.startEntry(header.snapshotCount - index);
    const fixed = SNAPSHOT.read(await reader.take(SNAPSHOT.size));
    if (fixed.extraDataSize > LIMITS.snapshotExtraData)
      throw corrupt(
        `Too much extra metadata in snapshot table entry ${index}\n` +
          'You can force-remove this extra metadata with qemu-img check -r all',
      );
    const extraData = (await reader.take(fixed.extraDataSize)).slice();
    const idBytes = upToNul(await reader.take(fixed.idLength)).slice();
    const nameBytes = upToNul(await reader.take(fixed.nameLength)).slice();
    const stored = { fixed, extraSize: extraData.length, extraData, idBytes, nameBytes };
    snapshots.push(snapshotOf(stored, header.size));
  }
  return snapshots;
}

/** What an entry says; `diskSize` is the size of the disk now. */
export function snapshotOf(stored: StoredEntry, diskSize: number): Snapshot {
  const { fixed, extraData, idBytes, nameBytes } = stored;
  const padded = new Uint8Array(SNAPSHOT_EXTRA.size);
  padded.set(extraData.subarray(0, padded.length));
  const extra = SNAPSHOT_EXTRA.read(padded);
  const has = (end: number) => extraData.length >= end;
  return {
    id: cString(idBytes),
    name: cString(nameBytes),
    size: has(16) ? checkedBytes(extra.diskSize, 'Snapshot disk size') : diskSize,
    vmStateSize: has(8) ? checkedBytes(extra.vmStateSize, 'Snapshot VM state size') : fixed.vmStateSize32,
    date: { seconds: fixed.seconds, nanoseconds: fixed.nanoseconds },
    vmClock: fixed.vmClock,
    icount: has(24) && extra.icount !== NO_ICOUNT ? extra.icount : null,
    l1TableOffset: fixed.l1TableOffset,
    l1Size: fixed.l1Size,
    stored,
  };
}

/** Bytes of the whole table as it lies in the file. */
export function tableLength(snapshots: readonly Snapshot[]): number {
  let length = 0;
  for (const { fixed } of snapshots.map(({ stored }) => stored))
    length = roundUp(length, 8) + SNAPSHOT.size + fixed.extraDataSize + fixed.idLength + fixed.nameLength;
  return length;
}

function checkedBytes(value: bigint, what: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt(`${what} is too large`);
  return Number(value);
}

/** The snapshot with this id, else the one with this name. Throws `not-found`. */
export function findSnapshot(snapshots: readonly Snapshot[], idOrName: string): Snapshot {
  const found = snapshots.find(({ id }) => id === idOrName) ?? snapshots.find(({ name }) => name === idOrName);
  if (found === undefined) throw new ImageError('not-found', "Can't find snapshot");
  return found;
}

/** The snapshot's L1 table, checked like the active one; it must lie within the file's `fileSize` bytes. */
export function snapshotL1(snapshot: Snapshot, header: QcowHeader, fileSize: number): L1Table {
  const { l1TableOffset, l1Size } = snapshot;
  const extent = { entries: l1Size, entrySize: ENTRY_SIZE, limit: LIMITS.l1Bytes };
  const offset = checkedTable('Snapshot L1 table', clusterSizeOf(header), l1TableOffset, extent);
  if (offset + l1Size * ENTRY_SIZE > fileSize) throw corrupt('Snapshot L1 table ends beyond the end of the file');
  return { offset, entries: l1Size };
}

/** Bytes of the table one after the other, fetched in chunks. */
class TableReader {
  static readonly #CHUNK = 64 * 1024;
  #chunk = new Uint8Array(0);
  /** File offset of the chunk's first byte, and of the next byte to take. */
  #chunkStart = 0;
  #at: number;
  #remaining = 0;

  constructor(
    private readonly source: ByteSource,
    private readonly start: number,
  ) {
    this.#at = start;
  }

  /** Goes on to the next entry, the first of `remaining`. */
  startEntry(remaining: number): void {
    this.#at = roundUp(this.#at, 8);
    this.#remaining = remaining;
  }

  /** The next `length` bytes, at most 65535; valid until the next call. */
  async take(length: number): Promise<Uint8Array> {
    const end = this.#at + length;
    if (end - this.start > LIMITS.snapshotTableBytes) {
      const hint = `You can force-remove all ${this.#remaining} overhanging snapshots with qemu-img check -r all`;
      throw corrupt(`Snapshot table is too big\n${hint}`);
    }
    if (this.#at < this.#chunkStart || end > this.#chunkStart + this.#chunk.length) await this.#fetch();
    const from = this.#at - this.#chunkStart;
    this.#at = end;
    return this.#chunk.subarray(from, from + length);
  }

  async #fetch(): Promise<void> {
    this.#chunkStart = this.#at;
    this.#chunk = new Uint8Array(TableReader.#CHUNK);
    await readPadded(this.source, this.#at, this.#chunk);
  }
}
