/** From version 2 to version 3. */
import type { ByteStore } from '../../../storage/storage.js';
import { CheckedFile } from '../check/checked-file.js';
import { rewriteSnapshotTable } from '../check/snapshot-repair.js';
import { isIncomplete, readSnapshotTable } from '../check/snapshot-table.js';
import { emptyTally } from '../check/tally.js';
import type { QcowHeader } from '../header.js';

/**
 * Writes the snapshot table anew if entries lack what version 3 demands of them: VM state and disk size in 64 bits.
 * Returns whether the file has changed.
 */
export async function completeSnapshots(store: ByteStore, header: QcowHeader, flush: boolean): Promise<boolean> {
  if (header.snapshotCount === 0) return false;
  const events = { onFinding: () => {}, onTrouble: () => {} };
  const file = await CheckedFile.open(header, store, store, { repair: 'none', flush, events });
  await readSnapshotTable(file, emptyTally());
  if (!file.snapshots.some(isIncomplete)) return false;
  await rewriteSnapshotTable(file);
  return true;
}
