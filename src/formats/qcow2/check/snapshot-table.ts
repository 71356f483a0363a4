/**
 * The snapshot table, read as it is.
 *
 * Specification: QEMU, docs/interop/qcow2, "Snapshots".
 */
import { roundUp } from '../../../bytes.js';
import { corrupt } from '../../../errors.js';
import type { CheckTally } from '../../../image/check.js';
import { HEADER_V2, LIMITS, SNAPSHOT } from '../layout.js';
import { upToNul } from '../snapshot-entry.js';
import type { CheckedFile, SnapshotEntry } from './checked-file.js';

/** Extra data that every entry of version 3 has: VM state size and disk size. */
const REQUIRED_EXTRA = 16;

const utf8 = new TextDecoder();

/**
 * Reads the table that the header points to into `file`. With full repairs it drops what cannot be kept: snapshots
 * beyond the limits at once, in the header; too much extra data when the table is written again. Throws if the table
 * cannot be made sense of.
 */
export async function readSnapshotTable(file: CheckedFile, tally: CheckTally): Promise<void> {
  const start = new Uint8Array(HEADER_V2.size);
  await file.read(0, start);
  const pointer = HEADER_V2.read(start);
  file.snapshots = [];
  file.snapshotTable = { offset: 0, length: 0 };
  const repairs = file.repair === 'all';
  let count = pointer.snapshotCount;
  let dropped = 0;
  if (count > LIMITS.snapshots && repairs) {
    dropped = count - LIMITS.snapshots;
    file.say(`Discarding ${dropped} overhanging snapshots`);
    count = LIMITS.snapshots;
  }
  checkPointer(file, tally, pointer.snapshotsOffset, count);
  const reader = new EntryReader(file, Number(pointer.snapshotsOffset), repairs);
  try {
    dropped += await reader.readAll(count);
  } catch (error) {
    tally.checkErrors++;
    if (error instanceof Error) file.events.onTrouble(`ERROR failed to read the snapshot table: ${error.message}`);
    throw corrupt('File too large');
  }
  file.snapshots = reader.entries;
  file.snapshotTable = { offset: Number(pointer.snapshotsOffset), length: reader.length };
  if (dropped > 0) {
    await writeSnapshotCount(file, file.snapshots.length);
    tally.corruptionsFixed += dropped;
  }
  tally.corruptions += reader.cutEntries;
  reportIncomplete(file, tally);
}

function checkPointer(file: CheckedFile, tally: CheckTally, offset: bigint, count: number): void {
  const isTooLarge = count > LIMITS.snapshots;
  const end = offset + BigInt(count * SNAPSHOT.size);
  const isInvalid = offset % BigInt(file.clusterSize) !== 0n || end > BigInt(Number.MAX_SAFE_INTEGER);
  if (!isTooLarge && !isInvalid) return;
  tally.checkErrors++;
  file.events.onTrouble(`ERROR snapshot table ${isTooLarge ? 'too large' : 'offset invalid'}`);
  if (!isTooLarge) throw corrupt('Invalid argument');
  const overhanging = count - LIMITS.snapshots;
  file.say(`You can force-remove all ${overhanging} overhanging snapshots with qemu-img check -r all`);
  throw corrupt('File too large');
}

/** The count has to be right before references are counted; what the lost snapshots leave behind is leaks. */
async function writeSnapshotCount(file: CheckedFile, snapshotCount: number): Promise<void> {
  const bytes = new Uint8Array(HEADER_V2.size);
  await file.read(0, bytes);
  HEADER_V2.write(bytes, { snapshotCount });
  await file.store.write(0, bytes);
  await file.flush();
}

function reportIncomplete(file: CheckedFile, tally: CheckTally): void {
  if (file.header.version < 3) return;
  const verb = file.repair === 'all' ? 'Repairing' : 'ERROR';
  for (const [index, { extraSize }] of file.snapshots.entries()) {
    if (!isIncomplete({ extraSize })) continue;
    tally.corruptions++;
    file.say(`${verb} snapshot table entry ${index} is incomplete`);
  }
}

/** The entry lacks fields that version 3 demands. */
export function isIncomplete({ extraSize }: Pick<SnapshotEntry, 'extraSize'>): boolean {
  return extraSize < REQUIRED_EXTRA;
}

class EntryReader {
  readonly entries: SnapshotEntry[] = [];
  /** Entries whose extra data had to be cut. */
  cutEntries = 0;
  #at: number;
  /** Bytes of the table as it would be written. */
  #tableLength = 0;

  constructor(
    private readonly file: CheckedFile,
    private readonly start: number,
    private readonly repairs: boolean,
  ) {
    this.#at = start;
  }

  /** Bytes of the table in the file. */
  get length(): number {
    return this.#at - this.start;
  }

  /** Reads up to `count` entries and returns how many were given up. */
  async readAll(count: number): Promise<number> {
    for (let index = 0; index < count; index++) {
      const before = this.#at;
      const entry = await this.#read(index);
      this.#tableLength =
        roundUp(this.#tableLength, 8) + SNAPSHOT.size + entry.extraSize + entry.fixed.idLength + entry.fixed.nameLength;
      if (this.#tableLength > LIMITS.snapshotTableBytes || this.length > 2 ** 31 - 1) {
        this.#at = before;
        return this.#giveUp(count - index);
      }
      this.entries.push(entry);
    }
    return 0;
  }

  #giveUp(count: number): number {
    if (!this.repairs) {
      const hint = `You can force-remove all ${count} overhanging snapshots with qemu-img check -r all`;
      throw corrupt(`Snapshot table is too big\n${hint}`);
    }
    this.file.say(`Discarding ${count} overhanging snapshots (snapshot table is too big)`);
    return count;
  }

  async #read(index: number): Promise<SnapshotEntry> {
    this.#at = roundUp(this.#at, 8);
    const fixed = SNAPSHOT.read(await this.#take(SNAPSHOT.size));
    const extraSize = this.#allowedExtra(index, fixed.extraDataSize);
    const extraData = await this.#take(extraSize);
    this.#at += fixed.extraDataSize - extraSize;
    const idBytes = upToNul(await this.#take(fixed.idLength));
    const nameBytes = upToNul(await this.#take(fixed.nameLength));
    return {
      fixed,
      l1TableOffset: fixed.l1TableOffset,
      l1Size: fixed.l1Size,
      extraSize,
      extraData,
      idBytes,
      nameBytes,
      id: utf8.decode(idBytes),
      name: utf8.decode(nameBytes),
    };
  }

  #allowedExtra(index: number, size: number): number {
    const limit = LIMITS.snapshotExtraData;
    if (size <= limit) return size;
    if (!this.repairs) {
      const hint = 'You can force-remove this extra metadata with qemu-img check -r all';
      throw corrupt(`Too much extra metadata in snapshot table entry ${index}\n${hint}`);
    }
    this.file.say(`Discarding too much extra metadata in snapshot table entry ${index} (${size} > ${limit})`);
    this.cutEntries++;
    return limit;
  }

  async #take(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.file.read(this.#at, bytes);
    this.#at += length;
    return bytes;
  }
}
