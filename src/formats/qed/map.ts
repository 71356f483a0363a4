/** The L1 and L2 tables of a QED image. */
import { corrupt } from '../../errors.js';
import type { AppendSpace } from '../../image/blocks/append-space.js';
import { type BlockPlace, isStored, UNALLOCATED, ZERO } from '../../image/blocks/block-map.js';
import { EntryTable, U64_LE } from '../../image/blocks/entry-table.js';
import { TwoLevelMap } from '../../image/blocks/two-level-map.js';
import { TableCache } from '../../image/table-cache.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import { isClusterOffset, isTableOffset } from './header.js';
import { ENTRY, type QedHeader, tableEntries } from './layout.js';

/** Bytes of L1 table in memory; it is small for all but giants. */
const L1_MEMORY = 4 * 1024 * 1024;

/** Entries of the L1 table that the disk needs. */
export function l1EntriesInUse({ clusterSize, tableSize, imageSize }: QedHeader): number {
  return Math.ceil(imageSize / (tableEntries(clusterSize, tableSize) * clusterSize));
}

/** @param sink null: the map is only read */
export function qedMap(header: QedHeader, source: ByteSource, sink: ByteSink | null, space: AppendSpace): TwoLevelMap {
  const { clusterSize, tableSize, l1TableOffset } = header;
  const l2Entries = tableEntries(clusterSize, tableSize);
  const l1Cache = new TableCache(source, sink, clusterSize, L1_MEMORY, true);
  const fileSize = () => Math.max(source.size, space.end);
  return new TwoLevelMap(
    {
      blockSize: clusterSize,
      l1: new EntryTable(l1Cache, l1TableOffset, l1EntriesInUse(header), U64_LE),
      l2Cache: new TableCache(source, sink, clusterSize, undefined, true),
      l2Entries,
      entrySize: ENTRY.size,
      tableAlignment: clusterSize,
      fileSize,
      checkTable(offset) {
        if (!isTableOffset(header, offset, fileSize())) throw corrupt('Invalid L2 table offset', { offset });
      },
      readPlace(view, at): BlockPlace {
        const entry = U64_LE.get(view, at);
        if (entry === ENTRY.unallocated) return UNALLOCATED;
        if (entry === ENTRY.zero) return ZERO;
        if (!isClusterOffset(header, entry, fileSize())) throw corrupt('Invalid cluster offset', { offset: entry });
        return entry;
      },
      writePlace(view, at, place) {
        U64_LE.set(view, at, isStored(place) ? place : ENTRY.zero);
      },
      hasZeroEntry: true,
      tablesFirst: false,
      packedAlignment: null,
    },
    space,
  );
}
