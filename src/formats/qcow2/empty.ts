/**
 * Emptying an image, so that its backing file shows everywhere.
 *
 * An image with nothing but its own clusters is made anew behind its header: while that goes on it is marked as dirty,
 * so that a check would put an interrupted one in order. Where something else lives in the file (snapshots, bitmaps, a
 * LUKS header) each cluster is given up by itself.
 */
import { viewOf } from '../../bytes.js';
import type { ByteStore } from '../../storage/storage.js';
import type { ClusterTables } from './cluster-tables.js';
import { clusterSizeOf, hasDataFile, type QcowHeader, serializeHeader } from './header.js';
import { CRYPT, ENTRY_SIZE, highOf, INCOMPATIBLE, lowOf } from './layout.js';
import { refcountWidth } from './refcount-width.js';
import type { Steps } from './steps.js';

/** Clusters before the L1 table of a new image: header, refcount table, refcount block. */
const BEFORE_L1 = 3;

/** Whether `resetImage` may be used; one refcount block has to count all clusters of the empty image. */
export function canReset(header: QcowHeader): boolean {
  const { version, snapshotCount, extensions, cryptMethod, refcountOrder } = header;
  const countedByBlock = clusterSizeOf(header) * refcountWidth(refcountOrder).perByte;
  return (
    version >= 3 &&
    snapshotCount === 0 &&
    extensions.bitmaps === null &&
    cryptMethod !== CRYPT.luks &&
    !hasDataFile(header) &&
    BEFORE_L1 + l1Clusters(header) <= countedByBlock
  );
}

/** Makes the image anew: header, refcount table, refcount block, empty L1 table. Nothing in memory is true afterwards. */
export async function resetImage(store: ByteStore, header: QcowHeader): Promise<void> {
  const clusterSize = clusterSizeOf(header);
  const end = (BEFORE_L1 + l1Clusters(header)) * clusterSize;
  header.incompatibleFeatures |= INCOMPATIBLE.dirty;
  await writeHeader(store, header);
  await store.flush();
  store.announce?.('l1_update');
  await store.zero(header.l1TableOffset, l1Clusters(header) * clusterSize);
  store.announce?.('empty_image_prepare');
  await store.zero(clusterSize, end - clusterSize);
  header.refcountTableOffset = clusterSize;
  header.refcountTableClusters = 1;
  header.l1TableOffset = BEFORE_L1 * clusterSize;
  store.announce?.('l1_update');
  store.announce?.('reftable_update');
  await writeHeader(store, header);
  store.announce?.('refblock_alloc');
  await store.write(clusterSize, newRefcounts(header, end / clusterSize));
  await store.truncate(end);
  await store.flush();
  header.incompatibleFeatures &= ~INCOMPATIBLE.dirty;
  await writeHeader(store, header);
  await store.flush();
}

/** Gives up every cluster of the disk; `pause` is called between L2 tables. */
export function* dropClusters(header: QcowHeader, tables: ClusterTables, pause: () => Steps<void>): Steps<void> {
  const { clusterSize, coverage } = tables;
  for (let guest = 0; guest < header.size; guest += coverage) {
    if ((yield* tables.findTable(guest)) === 0) continue;
    yield* pause();
    const table = yield* tables.table(guest);
    const end = Math.min(header.size, guest + coverage);
    yield* tables.enterZeros(table, guest / clusterSize, Math.ceil((end - guest) / clusterSize), false);
  }
}

function l1Clusters(header: QcowHeader): number {
  return Math.ceil((header.l1Size * ENTRY_SIZE) / clusterSizeOf(header));
}

async function writeHeader(store: ByteStore, header: QcowHeader): Promise<void> {
  await store.write(0, serializeHeader(header));
}

/** A refcount table with one entry, and behind it the block that the entry refers to. */
function newRefcounts(header: QcowHeader, clusters: number): Uint8Array {
  const clusterSize = clusterSizeOf(header);
  const bytes = new Uint8Array(2 * clusterSize);
  const table = viewOf(bytes);
  table.setUint32(0, highOf(2 * clusterSize));
  table.setUint32(4, lowOf(2 * clusterSize));
  const block = viewOf(bytes.subarray(clusterSize));
  for (let index = 0; index < clusters; index++) refcountWidth(header.refcountOrder).set(block, index, 1);
  return bytes;
}
