/**
 * Would a write hit metadata? A repair asks before each write, without trusting the refcounts: they are what is being
 * repaired.
 */
import { ENTRY_SIZE } from '../layout.js';
import type { CheckedFile } from './checked-file.js';

export type MetadataKind =
  | 'qcow2_header'
  | 'active L1 table'
  | 'active L2 table'
  | 'refcount table'
  | 'refcount block'
  | 'snapshot table'
  | 'inactive L1 table'
  | 'inactive L2 table'
  | 'bitmap directory';

/** A place in the file: whole clusters, bytes. */
interface Range {
  start: number;
  end: number;
}

function overlaps({ start, end }: Range, offset: number, length: number): boolean {
  return offset < end && start < offset + length;
}

/**
 * Whether [offset, offset + length) may be written to. If not, the corruption is signalled.
 *
 * @param ignored the kind of metadata that is written; null: the range must be free
 */
export async function allowsWrite(
  file: CheckedFile,
  ignored: MetadataKind | null,
  offset: number,
  length: number,
): Promise<boolean> {
  const hit = await metadataAt(file, ignored, offset, length);
  if (hit === null) return true;
  await file.signalCorruption(`Preventing invalid write on metadata (overlaps with ${hit})`);
  return false;
}

async function metadataAt(
  file: CheckedFile,
  ignored: MetadataKind | null,
  offset: number,
  length: number,
): Promise<MetadataKind | null> {
  const { clusterSize } = file;
  if (offset < clusterSize) return 'qcow2_header';
  const start = offset - (offset % clusterSize);
  const range = { start, end: Math.ceil((offset + length) / clusterSize) * clusterSize };
  for (const { kind, offset: at, length: size } of tables(file))
    if (kind !== ignored && size > 0 && overlaps(range, at, size)) return kind;
  if (ignored !== 'active L2 table' && (await hitsActiveL2(file, range))) return 'active L2 table';
  return ignored !== 'refcount block' && file.refcounts.meetsBlock(range.start, range.end) ? 'refcount block' : null;
}

/** What the header and the snapshots say of tables' places. */
function* tables({ header, snapshots, snapshotTable, clusterSize }: CheckedFile): Generator<{
  kind: MetadataKind;
  offset: number;
  length: number;
}> {
  const { l1TableOffset, l1Size, refcountTableOffset, refcountTableClusters } = header;
  yield { kind: 'active L1 table', offset: l1TableOffset, length: l1Size * ENTRY_SIZE };
  yield { kind: 'refcount table', offset: refcountTableOffset, length: refcountTableClusters * clusterSize };
  yield { kind: 'snapshot table', ...snapshotTable };
  for (const snapshot of snapshots) {
    const length = snapshot.l1Size * ENTRY_SIZE;
    yield { kind: 'inactive L1 table', offset: Number(snapshot.l1TableOffset), length };
  }
  const { bitmaps } = header.extensions;
  if (bitmaps !== null)
    yield { kind: 'bitmap directory', offset: bitmaps.directoryOffset, length: bitmaps.directorySize };
}

async function hitsActiveL2(file: CheckedFile, range: Range): Promise<boolean> {
  const { l1TableOffset, l1Size } = file.header;
  for await (const { l2Offset } of file.l1Entries(l1TableOffset, l1Size))
    if (l2Offset !== 0 && overlaps(range, l2Offset, file.clusterSize)) return true;
  return false;
}
