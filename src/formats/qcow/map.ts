/** The L1 and L2 tables of a qcow image. */
import { corrupt } from '../../errors.js';
import type { AppendSpace } from '../../image/blocks/append-space.js';
import { type BlockPlace, isStored, type PackedBlock, UNALLOCATED } from '../../image/blocks/block-map.js';
import { EntryTable, U64_BE } from '../../image/blocks/entry-table.js';
import { TwoLevelMap } from '../../image/blocks/two-level-map.js';
import { TableCache } from '../../image/table-cache.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import { l1Entries } from './header.js';
import { ENTRY_SIZE, type QcowHeader, SECTOR } from './layout.js';

const L1_PAGE = 64 * 1024;
const L1_MEMORY = 4 * 1024 * 1024;
const COMPRESSED = 1n << 63n;

/** @param sink null: the map is only read */
export function qcowMap(
  header: QcowHeader,
  source: ByteSource,
  sink: ByteSink | null,
  space: AppendSpace,
): TwoLevelMap {
  const { clusterBits, l2Bits, l1TableOffset } = header;
  const entries = l1Entries(header);
  const region = { start: l1TableOffset, end: l1TableOffset + entries * ENTRY_SIZE };
  const l1Cache = new TableCache(source, sink, L1_PAGE, L1_MEMORY, true, region);
  const sizeShift = BigInt(63 - clusterBits);
  const offsetMask = (1n << sizeShift) - 1n;
  const fileSize = () => Math.max(source.size, space.end);
  return new TwoLevelMap(
    {
      blockSize: 2 ** clusterBits,
      l1: new EntryTable(l1Cache, l1TableOffset, entries, U64_BE),
      // tables begin at clusters, of which the smallest are sectors
      l2Cache: new TableCache(source, sink, SECTOR, undefined, true),
      l2Entries: 2 ** l2Bits,
      entrySize: ENTRY_SIZE,
      tableAlignment: 2 ** clusterBits,
      fileSize,
      checkTable(offset) {
        if (offset % ENTRY_SIZE !== 0 || offset >= fileSize()) throw corrupt('Invalid L2 table offset', { offset });
      },
      readPlace(view, at): BlockPlace {
        if (view.getUint32(at) < 0x8000_0000) return U64_BE.get(view, at) || UNALLOCATED;
        const entry = view.getBigUint64(at) & ~COMPRESSED;
        return { host: Number(entry & offsetMask), length: Number(entry >> sizeShift) };
      },
      writePlace(view, at, place) {
        if (isStored(place)) U64_BE.set(view, at, place);
        else view.setBigUint64(at, compressedEntry(place as PackedBlock, sizeShift));
      },
      hasZeroEntry: false,
      tablesFirst: true,
      packedAlignment: SECTOR,
    },
    space,
  );
}

function compressedEntry({ host, length }: PackedBlock, sizeShift: bigint): bigint {
  return COMPRESSED | (BigInt(length) << sizeShift) | BigInt(host);
}
