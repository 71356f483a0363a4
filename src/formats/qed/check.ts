/** Checking QED images, and repairing them: every table and cluster is referred to once, and lies in the file. */
import { roundDown } from '../../bytes.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockImage } from '../../image/blocks/block-image.js';
import { EntryTable, U64_LE } from '../../image/blocks/entry-table.js';
import type { CheckableImage, CheckReport, CheckRequest } from '../../image/check.js';
import { TableCache } from '../../image/table-cache.js';
import { isPending } from '../../maybe.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { isClusterOffset, isTableOffset, readBacking, readHeader, writeHeader } from './header.js';
import { ENTRY, FEATURE, type QedHeader, tableEntries } from './layout.js';
import { qedMap } from './map.js';
import { partsOf } from './parts.js';

/** @param store the same storage if repairs are wanted */
export async function openForCheck(source: ByteSource, store: ByteStore | null): Promise<CheckableImage> {
  const header = await readHeader(source);
  const backing = await readBacking(source, header);
  const map = qedMap(header, source, null, new AppendSpace(roundDown(source.size, header.clusterSize)));
  return new CheckedQed({ ...partsOf(header, backing), source, map }, header, source, store);
}

class CheckedQed extends BlockImage implements CheckableImage {
  constructor(
    parts: ConstructorParameters<typeof BlockImage>[0],
    private readonly header: QedHeader,
    private readonly source: ByteSource,
    private readonly store: ByteStore | null,
  ) {
    super(parts);
  }

  check({ repair }: CheckRequest): Promise<CheckReport> {
    return checkTables(this.source, repair === 'none' ? null : this.store, this.header);
  }
}

/**
 * @param store where entries that cannot be right are cleared, and then the mark that a check is due; null: nowhere
 */
export async function checkTables(
  source: ByteSource,
  store: ByteStore | null,
  header: QedHeader,
): Promise<CheckReport> {
  const walk = new Walk(source, store, header);
  await walk.run();
  const { report } = walk;
  if (store !== null && report.corruptions === 0 && (header.features & FEATURE.needCheck) !== 0n) {
    await store.flush();
    header.features &= ~FEATURE.needCheck;
    await writeHeader(store, header);
  }
  return report;
}

class Walk {
  readonly report: CheckReport;
  readonly #tables: TableCache;
  /** One bit a cluster of the file. */
  readonly #isUsed: Uint8Array;
  readonly #clusters: number;

  constructor(
    private readonly source: ByteSource,
    private readonly store: ByteStore | null,
    private readonly header: QedHeader,
  ) {
    const { clusterSize, imageSize } = header;
    this.#clusters = Math.floor(source.size / clusterSize);
    this.#isUsed = new Uint8Array(Math.ceil(this.#clusters / 8));
    this.#tables = new TableCache(source, store, clusterSize);
    this.report = {
      corruptions: 0,
      leaks: 0,
      checkErrors: 0,
      corruptionsFixed: 0,
      leaksFixed: 0,
      clusters: { total: Math.ceil(imageSize / clusterSize), allocated: 0, fragmented: 0, compressed: 0 },
      imageEndOffset: 0,
    };
  }

  async run(): Promise<void> {
    const { header } = this;
    this.#use(header.l1TableOffset, header.tableSize);
    const l1 = this.#table(header.l1TableOffset);
    for (let index = 0; index < l1.count; index++) {
      const entry = await this.#entry(l1, index);
      if (entry === 0) continue;
      if (!isTableOffset(header, entry, this.source.size)) await this.#clear(l1, index);
      else if (this.#use(entry, header.tableSize)) await this.#checkL2(this.#table(entry));
    }
    await this.#tables.flush();
    for (let cluster = header.headerSize; cluster < this.#clusters; cluster++)
      if ((this.#isUsed[cluster >> 3]! & (1 << (cluster & 7))) === 0) this.report.leaks++;
  }

  async #checkL2(table: EntryTable): Promise<void> {
    const { clusterSize } = this.header;
    const { clusters } = this.report;
    let last = 0;
    for (let index = 0; index < table.count; index++) {
      const answer = this.#entry(table, index);
      const entry = isPending(answer) ? await answer : answer;
      if (entry === ENTRY.unallocated || entry === ENTRY.zero) continue;
      clusters.allocated++;
      if (last !== 0 && last + clusterSize !== entry) clusters.fragmented++;
      last = entry;
      if (isClusterOffset(this.header, entry, this.source.size)) this.#use(entry, 1);
      else await this.#clear(table, index);
    }
  }

  #table(offset: number): EntryTable {
    const { clusterSize, tableSize } = this.header;
    return new EntryTable(this.#tables, offset, tableEntries(clusterSize, tableSize), U64_LE);
  }

  /** An entry that is no safe integer is no offset either. */
  #entry(table: EntryTable, index: number): number | Promise<number> {
    const invalid = Number.MAX_SAFE_INTEGER;
    try {
      const entry = table.get(index);
      return isPending(entry) ? entry.catch(() => invalid) : entry;
    } catch {
      return invalid;
    }
  }

  async #clear(table: EntryTable, index: number): Promise<void> {
    if (this.store === null) {
      this.report.corruptions++;
      return;
    }
    await table.set(index, 0);
    this.report.corruptionsFixed++;
  }

  /** Marks clusters as used; false if one of them was already. */
  #use(offset: number, count: number): boolean {
    const first = offset / this.header.clusterSize;
    let twice = 0;
    for (let cluster = first; cluster < first + count; cluster++) {
      const bit = 1 << (cluster & 7);
      if ((this.#isUsed[cluster >> 3]! & bit) !== 0) twice++;
      this.#isUsed[cluster >> 3]! |= bit;
    }
    this.report.corruptions += twice;
    return twice === 0;
  }
}
