/** seSparse extents, the snapshots of VMware ESXi: reading. The format is not published; the checks are QEMU's. */
import { isZero, viewOf } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import { type BlockMap, type BlockPlace, UNALLOCATED, ZERO } from '../../image/blocks/block-map.js';
import { TableCache, type TablePage } from '../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import {
  LIMITS,
  SECTOR,
  SESPARSE,
  SESPARSE_GRAIN,
  SESPARSE_MAGIC,
  SESPARSE_TABLE,
  SESPARSE_VERSION,
  SESPARSE_VOLATILE,
  SESPARSE_VOLATILE_MAGIC,
} from './layout.js';
import { beyondEnd } from './map.js';

const ENTRY = 8;
const TABLE = SESPARSE_TABLE * SECTOR;
const ENTRIES_PER_TABLE = TABLE / ENTRY;
const GRAIN = SESPARSE_GRAIN * SECTOR;
const PAGE = 64 * 1024;
/** The highest four bits of an entry. */
const KIND = { none: 0, unmapped: 1, zero: 2, allocated: 3 } as const;
/** The upper half of a directory entry that leads to a table. */
const TABLE_ALLOCATED = 0x1000_0000;

type SeSparseHeader = ReturnType<typeof SESPARSE.read>;

/** Reads and checks both headers. Throws `corrupt` or `unsupported`. */
export async function openSeSparse(source: ByteSource, memory: number): Promise<SeSparseMap> {
  const bytes = await sectorAt(source, 0);
  const magic = viewOf(bytes).getBigUint64(0, true);
  if (magic !== SESPARSE_MAGIC) throw corrupt(`Bad const header magic: ${hex(magic)}`);
  const header = SESPARSE.read(bytes);
  checkHeader(header, bytes);
  checkVolatile(await sectorAt(source, header.volatileOffset * SECTOR));
  const map = new SeSparseMap(source, header, memory);
  await map.check();
  return map;
}

/** As it is printed by the C library's %016x. */
function hex(value: bigint): string {
  return `0x${value.toString(16).padStart(16, '0')}`;
}

function checkHeader(header: SeSparseHeader, bytes: Uint8Array): void {
  const { version, grainSize, tableSize, flags, capacity } = header;
  const reserved = [header.reserved1, header.reserved2, header.reserved3, header.reserved4];
  const refusals: [boolean, string][] = [
    [version !== SESPARSE_VERSION, `Unsupported version: ${hex(version)}`],
    [grainSize !== BigInt(SESPARSE_GRAIN), `Unsupported grain size: ${grainSize}`],
    [tableSize !== BigInt(SESPARSE_TABLE), `Unsupported grain table size: ${tableSize}`],
    [flags !== 0n, `Unsupported flags: ${hex(flags)}`],
    [reserved.some((value) => value !== 0n), `Unsupported reserved bits: ${reserved.map(hex).join(' ')}`],
    [!isZero(bytes.subarray(SESPARSE.size)), 'Unsupported non-zero const header padding'],
  ];
  for (const [refused, message] of refusals) if (refused) throw new ImageError('unsupported', message);
  if (capacity * BigInt(SECTOR) > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt('The extent is too large');
  if ((header.directorySize * SECTOR) / ENTRY > LIMITS.directoryEntries) throw corrupt('L1 size too big');
}

function checkVolatile(bytes: Uint8Array): void {
  const { magic, replayJournal } = SESPARSE_VOLATILE.read(bytes);
  if (magic !== SESPARSE_VOLATILE_MAGIC) throw corrupt(`Bad volatile header magic: ${hex(magic)}`);
  if (replayJournal !== 0n) throw new ImageError('unsupported', 'Image is dirty, Replaying journal not supported');
  if (!isZero(bytes.subarray(SESPARSE_VOLATILE.size)))
    throw new ImageError('unsupported', 'Unsupported non-zero volatile header padding');
}

async function sectorAt(source: ByteSource, offset: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(SECTOR);
  await readPadded(source, offset, bytes);
  return bytes;
}

/** The grain directory and the grain tables, which lie in one area. */
export class SeSparseMap implements BlockMap {
  readonly blockSize = GRAIN;
  /** Bytes of disk. */
  readonly size: number;
  readonly #directory: TableCache;
  readonly #tables: TableCache;

  constructor(
    private readonly source: ByteSource,
    private readonly header: SeSparseHeader,
    memory: number,
  ) {
    this.size = Number(header.capacity) * SECTOR;
    const { directoryOffset, directorySize, tablesOffset, tablesSize } = header;
    this.#directory = new TableCache(source, null, PAGE, memory, true, area(directoryOffset, directorySize));
    this.#tables = new TableCache(source, null, PAGE, memory, true, area(tablesOffset, tablesSize));
  }

  /** Throws `corrupt` where tables overlap: a small file would claim an endless disk. */
  async check(): Promise<void> {
    const { directoryOffset, directorySize, tablesOffset, tablesSize } = this.header;
    const end = Math.max(directoryOffset + directorySize, tablesOffset + tablesSize) * SECTOR;
    if (end > this.source.size) throw corrupt('The grain tables end beyond the end of the file');
    let tables = 0;
    for (let at = directoryOffset * SECTOR; at < (directoryOffset + directorySize) * SECTOR; at += ENTRY) {
      const answer = this.#directory.page(at);
      const page = isPending(answer) ? await answer : answer;
      if (viewOf(page.bytes).getBigUint64(at - page.offset, true) !== 0n) tables++;
    }
    if (tables > tablesSize / SESPARSE_TABLE)
      throw corrupt('The extent has more grain tables than its file has room for');
  }

  find(index: number): MaybePromise<BlockPlace> {
    const { directoryOffset, directorySize } = this.header;
    const within = Math.floor(index / ENTRIES_PER_TABLE) * ENTRY;
    if (within >= directorySize * SECTOR) throw corrupt('The grain directory is too small for the extent');
    return this.#at(this.#directory, directoryOffset * SECTOR + within, (view, at) => this.#inTable(view, at, index));
  }

  #at(
    cache: TableCache,
    offset: number,
    use: (view: DataView, at: number) => MaybePromise<BlockPlace>,
  ): MaybePromise<BlockPlace> {
    const found = (page: TablePage) => use(viewOf(page.bytes), offset - page.offset);
    const page = cache.page(offset);
    return isPending(page) ? page.then(found) : found(page);
  }

  #inTable(view: DataView, at: number, index: number): MaybePromise<BlockPlace> {
    const table = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    if (table === 0 && high === 0) return UNALLOCATED;
    const { tablesOffset, tablesSize } = this.header;
    if (high !== TABLE_ALLOCATED || (table + 1) * SESPARSE_TABLE > tablesSize)
      throw corrupt(`Invalid grain directory entry ${Math.floor(index / ENTRIES_PER_TABLE)}`);
    const within = (index % ENTRIES_PER_TABLE) * ENTRY;
    return this.#at(this.#tables, tablesOffset * SECTOR + table * TABLE + within, (entry, offset) =>
      this.#placeOf(entry, offset, index),
    );
  }

  /** Bits 48 to 59 of an entry are the lowest twelve of the grain's number, the lower 48 the others. */
  #placeOf(view: DataView, at: number, index: number): BlockPlace {
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    const kind = high >>> 28;
    if (low === 0 && high === 0) return UNALLOCATED;
    if (kind === KIND.unmapped || kind === KIND.zero) return ZERO;
    if (kind !== KIND.allocated) throw corrupt(`Invalid grain table entry of grain ${index}`);
    const grain = ((high >>> 16) & 0xfff) + ((high & 0xffff) * 2 ** 32 + low) * 4096;
    const host = this.header.grainsOffset * SECTOR + grain * GRAIN;
    if (host >= this.source.size) throw beyondEnd(host);
    return host;
  }
}

function area(sector: number, sectors: number): { start: number; end: number } {
  const start = sector * SECTOR;
  const end = start + sectors * SECTOR;
  if (!Number.isSafeInteger(end)) throw corrupt('A table lies beyond the end of the file');
  return { start, end };
}
