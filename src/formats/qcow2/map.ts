/**
 * The map of the guest's disk: from guest offsets through L1 and L2 tables to runs of the same status.
 *
 * Specification: QEMU, docs/interop/qcow2, "Cluster mapping" and "Extended L2 entries". Both a question for status and
 * a read are answered from runs, so an entry is interpreted, and distrusted, in one place only.
 */
import { corrupt } from '../../errors.js';
import type { TableCache, TablePage } from '../../image/table-cache.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import { clusterSizeOf, hasDataFile, hasExtendedL2, l2CoverageOf, l2EntrySizeOf, type QcowHeader } from './header.js';
import {
  compressedLengthOf,
  compressedOffsetOf,
  ENTRY_SIZE,
  hostOffsetOf,
  isCompressed,
  isCopied,
  readsAsZero,
  reservedL1Bits,
  reservedL2Bits,
  SUBCLUSTERS,
} from './layout.js';

/** `packed`: compressed; the other kinds are those of `Extent`. */
export type RunKind = 'data' | 'zero' | 'unallocated' | 'packed';

/** A stretch of the guest's disk with one status; bytes. */
export interface Run {
  kind: RunKind;
  start: number;
  length: number;
  /** Host offset of `start` for data and allocated zeros; of the compressed stream for a single packed cluster. */
  hostOffset: number | null;
  /** The most bytes that the stream of a single packed cluster takes; 0 for the other kinds. */
  packedLength: number;
  /** Of kind 'zero' because the storage has a hole there. */
  isHole?: boolean;
}

/**
 * One answer looks at so many entries and lists so many runs at most (and finishes the page of the table): enough to
 * make the calls cheap, and not so much that an image of many terabytes keeps the first byte waiting.
 */
const ENTRIES_AT_ONCE = 65536;
const RUNS_AT_ONCE = 4096;

/** Where an L1 table is, in bytes and entries: the active one or a snapshot's. */
export interface L1Table {
  readonly offset: number;
  readonly entries: number;
}

/** Runs that tile a range from its start; neighbours of the same status merge as they are added. */
class RunList {
  readonly runs: Run[] = [];
  /** L2 entries looked at. */
  scanned = 0;
  #last: Run | null = null;

  /** @param mergePacked neighbouring compressed clusters become one run, without a place in the file */
  constructor(private readonly mergePacked: boolean) {}

  get isEmpty(): boolean {
    return this.#last === null;
  }

  add(kind: RunKind, start: number, length: number, hostOffset: number | null): void {
    const last = this.#last;
    if (last !== null && last.kind === kind && continues(last, hostOffset)) last.length += length;
    else this.#push({ kind, start, length, hostOffset, packedLength: 0 });
  }

  addPacked(start: number, length: number, hostOffset: number, packedLength: number): void {
    if (this.mergePacked) this.add('packed', start, length, null);
    else this.#push({ kind: 'packed', start, length, hostOffset, packedLength });
  }

  #push(run: Run): void {
    this.#last = run;
    this.runs.push(run);
  }
}

function isEnough(list: RunList): boolean {
  return list.runs.length >= RUNS_AT_ONCE || list.scanned >= ENTRIES_AT_ONCE;
}

function continues(last: Run, hostOffset: number | null): boolean {
  return hostOffset === null ? last.hostOffset === null : last.hostOffset === hostOffset - last.length;
}

/** The part of the map that one page of an L2 table describes, or that no L2 table describes (`page` is null). */
interface Stretch {
  page: TablePage | null;
  /** Guest offset at which it ends. */
  end: number;
}

export class ClusterMap {
  readonly #tables: TableCache;
  readonly #l1: L1Table;
  readonly #version: number;
  readonly #clusterBits: number;
  readonly #clusterSize: number;
  readonly #entrySize: number;
  /** Guest bytes that one L2 table maps. */
  readonly #coverage: number;
  readonly #isExtended: boolean;
  readonly #isExternal: boolean;
  readonly #fileSize: () => number;

  /** @param fileSize bytes of the storage that holds the tables, now */
  constructor(header: QcowHeader, tables: TableCache, l1: L1Table, fileSize: () => number) {
    this.#tables = tables;
    this.#l1 = l1;
    this.#version = header.version;
    this.#clusterBits = header.clusterBits;
    this.#clusterSize = clusterSizeOf(header);
    this.#entrySize = l2EntrySizeOf(header);
    this.#coverage = l2CoverageOf(header);
    this.#isExtended = hasExtendedL2(header);
    this.#isExternal = hasDataFile(header);
    this.#fileSize = fileSize;
  }

  /** All runs of [start, end), compressed clusters one by one. Throws `corrupt` at an entry that makes no sense. */
  all(start: number, end: number): MaybePromise<Run[]> {
    return this.#walk(start, end, new RunList(false), true);
  }

  /**
   * Runs of a non-empty prefix of [start, end), compressed clusters merged. It ends where a table has to be waited for,
   * where an entry makes no sense (only if that is at `start` already, `corrupt` is thrown), or after enough entries.
   */
  prefix(start: number, end: number): MaybePromise<Run[]> {
    return this.#walk(start, end, new RunList(true), false);
  }

  /** @param first the stretch that `start` lies in, if it has been waited for */
  #walk(start: number, end: number, list: RunList, toTheEnd: boolean, first?: Stretch): MaybePromise<Run[]> {
    let at = start;
    let known = first;
    try {
      while (at < end && (toTheEnd || !isEnough(list))) {
        const stretch = known ?? this.#stretchAt(at, end);
        known = undefined;
        if (isPending(stretch)) {
          if (!list.isEmpty && !toTheEnd) {
            // The table comes in meanwhile; whoever asks for it sees the failure, if it is one.
            stretch.catch(() => {});
            break;
          }
          const from = at;
          return stretch.then((arrived) => this.#walk(from, end, list, toTheEnd, arrived));
        }
        at = this.#scan(stretch, at, end, list);
      }
    } catch (error) {
      if (list.isEmpty || toTheEnd) throw error;
    }
    return list.runs;
  }

  /** The stretch that `at` lies in. It need not be known how far it goes beyond `end`. */
  #stretchAt(at: number, end: number): MaybePromise<Stretch> {
    const index = Math.floor(at / this.#coverage);
    if (index >= this.#l1.entries) return { page: null, end: Number.POSITIVE_INFINITY };
    const page = this.#tables.page(this.#l1.offset + index * ENTRY_SIZE);
    if (isPending(page)) return page.then((arrived) => this.#stretchIn(arrived, index, at, end));
    return this.#stretchIn(page, index, at, end);
  }

  #stretchIn(l1Page: TablePage, index: number, at: number, end: number): MaybePromise<Stretch> {
    const table = this.#l2TableOf(l1Page, index);
    if (table === 0) return { page: null, end: this.#endOfMissing(l1Page, index, end) };
    const entry = Math.floor((at % this.#coverage) / this.#clusterSize);
    const page = this.#tables.page(table + entry * this.#entrySize, 'l2_load');
    return isPending(page)
      ? page.then((arrived) => this.#covered(arrived, table, index))
      : this.#covered(page, table, index);
  }

  #covered(page: TablePage, table: number, index: number): Stretch {
    const lastEntry = (page.offset + this.#tables.pageSize - table) / this.#entrySize;
    return { page, end: index * this.#coverage + lastEntry * this.#clusterSize };
  }

  /** Host offset of the L2 table of an L1 entry, 0 if there is none. */
  #l2TableOf(l1Page: TablePage, index: number): number {
    const at = this.#l1.offset + index * ENTRY_SIZE - l1Page.offset;
    const high = l1Page.view.getUint32(at);
    const low = l1Page.view.getUint32(at + 4);
    if (reservedL1Bits(high, low)) throw corrupt(`Reserved bits set in L1 entry ${index}`);
    const offset = hostOffsetOf(high, low);
    if (offset % this.#clusterSize !== 0)
      throw corrupt(`L2 table offset ${hex(offset)} unaligned (L1 index: ${hex(index)})`);
    if (offset + this.#clusterSize > this.#fileSize())
      throw corrupt(`L2 table offset ${hex(offset)} beyond the end of the file (L1 index: ${hex(index)})`);
    return offset;
  }

  /** Where the L1 entries without an L2 table end that begin with `index`; as far as this page and `end` go. */
  #endOfMissing(l1Page: TablePage, index: number, end: number): number {
    const perPage = this.#tables.pageSize / ENTRY_SIZE;
    const firstOfPage = (l1Page.offset - this.#l1.offset) / ENTRY_SIZE;
    const limit = Math.min(this.#l1.entries, firstOfPage + perPage, Math.ceil(end / this.#coverage));
    let next = index + 1;
    while (next < limit) {
      const at = (next - firstOfPage) * ENTRY_SIZE;
      if (l1Page.view.getUint32(at) !== 0 || l1Page.view.getUint32(at + 4) !== 0) break;
      next++;
    }
    return next * this.#coverage;
  }

  /** Adds what the stretch says of [at, end); returns where it stopped. */
  #scan(stretch: Stretch, at: number, end: number, list: RunList): number {
    const stop = Math.min(end, stretch.end);
    if (stretch.page === null) list.add('unallocated', at, stop - at, null);
    else this.#scanPage(stretch.page, at, stop, list);
    return stop;
  }

  #scanPage(page: TablePage, start: number, stop: number, list: RunList): void {
    const entriesPerPage = this.#tables.pageSize / this.#entrySize;
    let index = Math.floor(start / this.#clusterSize) % entriesPerPage;
    list.scanned += entriesPerPage - index;
    let at = start;
    while (at < stop) {
      const next = Math.min(this.#clusterAt(at) + this.#clusterSize, stop);
      const high = page.view.getUint32(index * this.#entrySize);
      const low = page.view.getUint32(index * this.#entrySize + 4);
      if (isCompressed(high)) this.#addCompressed(high, low, at, next, list);
      else if (this.#isExtended) this.#addSubclusters(page, index, at, next, list);
      else this.#addCluster(high, low, at, next, list);
      at = next;
      index++;
    }
  }

  #addCompressed(high: number, low: number, at: number, next: number, list: RunList): void {
    if (this.#isExternal)
      throw corrupt(
        `Compressed cluster entry found in image with external data file (guest offset: ${hex(this.#clusterAt(at))})`,
      );
    const offset = compressedOffsetOf(high, low, this.#clusterBits);
    list.addPacked(at, next - at, offset, compressedLengthOf(high, low, this.#clusterBits));
  }

  #addCluster(high: number, low: number, at: number, next: number, list: RunList): void {
    const host = this.#hostOf(high, low, at);
    const isZero = readsAsZero(low);
    if (isZero && this.#version < 3)
      throw corrupt(`Zero cluster entry found in pre-v3 image (guest offset: ${hex(this.#clusterAt(at))})`);
    if (isZero) list.add('zero', at, next - at, host);
    else list.add(host === null ? 'unallocated' : 'data', at, next - at, host);
  }

  /** Host offset of guest offset `at` by a standard entry; null if it names no cluster. */
  #hostOf(high: number, low: number, at: number): number | null {
    if (reservedL2Bits(high, low) || (this.#isExtended && readsAsZero(low)))
      throw corrupt(`Reserved bits set in L2 entry (guest offset: ${hex(this.#clusterAt(at))})`);
    const offset = hostOffsetOf(high, low);
    // Offset 0 is the header, except in an external data file: there the "copied" bit tells a cluster from none.
    if (offset === 0 && !(this.#isExternal && isCopied(high) && !readsAsZero(low))) return null;
    if (offset % this.#clusterSize !== 0)
      throw corrupt(`Cluster allocation offset ${hex(offset)} unaligned (guest offset: ${hex(this.#clusterAt(at))})`);
    const host = offset + (at % this.#clusterSize);
    if (this.#isExternal && host !== at) {
      const mismatch = `does not match guest cluster offset: ${hex(this.#clusterAt(at))}`;
      throw corrupt(`External data file host cluster offset ${hex(offset)} ${mismatch}`);
    }
    return host;
  }

  #clusterAt(at: number): number {
    return at - (at % this.#clusterSize);
  }

  /** [Extended L2 entries] Low half of the bitmap: allocated; high half: reads as zeros; bit i is subcluster i. */
  #addSubclusters(page: TablePage, index: number, at: number, next: number, list: RunList): void {
    const entry = index * this.#entrySize;
    const host = this.#hostOf(page.view.getUint32(entry), page.view.getUint32(entry + 4), at);
    const zero = page.view.getUint32(entry + 8);
    const allocated = page.view.getUint32(entry + 12);
    if ((host === null ? allocated : allocated & zero) !== 0)
      throw corrupt(`Invalid cluster entry found (guest offset: ${hex(this.#clusterAt(at))})`);
    const subclusterSize = this.#clusterSize / SUBCLUSTERS;
    for (let from = at; from < next; ) {
      const subcluster = Math.floor((from % this.#clusterSize) / subclusterSize);
      const to = Math.min(from - (from % subclusterSize) + subclusterSize, next);
      const bit = 1 << subcluster;
      const hostOfSubcluster = host === null ? null : host + (from - at);
      if (zero & bit) list.add('zero', from, to - from, hostOfSubcluster);
      else if (allocated & bit) list.add('data', from, to - from, hostOfSubcluster);
      else list.add('unallocated', from, to - from, hostOfSubcluster);
      from = to;
    }
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
