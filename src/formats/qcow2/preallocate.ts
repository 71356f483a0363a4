/** Giving places to clusters that hold nothing yet. */
import { clusterSizeOf } from './header.js';
import type { WritingParts } from './parts.js';
import type { Steps } from './steps.js';

/** A stretch of host clusters in a row; bytes. */
export interface HostRow {
  start: number;
  length: number;
}

/**
 * Takes clusters for guest bytes [start, end), all in a row behind what is in use, and behind refcount structures that
 * are large enough for them and for their L2 tables. `start` is a multiple of the cluster size.
 */
export function* takeClusters(
  { header, refcounts, clusterTables, space }: WritingParts,
  start: number,
  end: number,
): Steps<HostRow> {
  const clusterSize = clusterSizeOf(header);
  const clusters = Math.ceil((end - start) / clusterSize);
  const tables = Math.ceil((clusters * clusterSize) / clusterTables.coverage) + 1;
  const behind = (yield* refcounts.lastUsed()) + 1;
  const first = yield* refcounts.rebuildFrom(behind, clusters + tables, true);
  yield* refcounts.allocateAt(first * clusterSize, clusters, clusters);
  space.claim(first * clusterSize, clusters * clusterSize);
  return { start: first * clusterSize, length: clusters * clusterSize };
}

/**
 * Enters such a row as the data of [start, end).
 *
 * @param dataEnd subclusters before it, where there are any, count as data
 * @param pause called before each L2 table
 */
export function* enterClusters(
  { header, clusterTables }: WritingParts,
  [start, end]: readonly [number, number],
  row: HostRow,
  dataEnd: number,
  pause: () => Steps<void>,
): Steps<void> {
  const clusterSize = clusterSizeOf(header);
  const { coverage } = clusterTables;
  for (let guest = start; guest < end; ) {
    yield* pause();
    const table = yield* clusterTables.table(guest);
    const stop = Math.min(end, (Math.floor(guest / coverage) + 1) * coverage);
    const count = Math.ceil((stop - guest) / clusterSize);
    const to = Math.max(guest, Math.min(dataEnd, guest + count * clusterSize));
    yield* clusterTables.enter(table, guest / clusterSize, count, row.start + (guest - start), guest, to);
    guest = stop;
  }
}
