/**
 * L2 tables that must overlap.
 *
 * Each L2 table of one disk has a cluster of its own. A hostile L1 table names one again and again, and a few megabytes
 * of file become years of table walks. Where there are more L2 tables than the file has clusters, some must be the
 * same: that is refused, so the tables to walk are never longer than the file.
 */
import { corrupt, type ImageError } from '../../errors.js';
import type { TableCache } from '../../image/table-cache.js';
import { ENTRY_SIZE, hostOffsetOf } from './layout.js';
import type { L1Table } from './map.js';

/** Why this L1 table cannot be that of a disk; null: it may be. Reads nothing where the file is large enough anyway. */
export async function overlapIn(
  { offset, entries }: L1Table,
  tables: TableCache,
  clusterSize: number,
  fileSize: number,
): Promise<ImageError | null> {
  const clusters = Math.ceil(fileSize / clusterSize);
  if (entries <= clusters) return null;
  let used = 0;
  for (let index = 0; index < entries; ) {
    const page = await tables.page(offset + index * ENTRY_SIZE);
    const end = Math.min(entries, (page.offset + tables.pageSize - offset) / ENTRY_SIZE);
    for (; index < end; index++) {
      const at = offset + index * ENTRY_SIZE - page.offset;
      if (hostOffsetOf(page.view.getUint32(at), page.view.getUint32(at + 4)) !== 0) used++;
    }
    if (used > clusters) return corrupt(`L2 tables overlap: the file has ${clusters} clusters, fewer than L2 tables`);
  }
  return null;
}
