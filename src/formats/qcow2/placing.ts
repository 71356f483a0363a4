/**
 * Finding a place for guest bytes.
 *
 * A write goes to clusters that are there and belong to the active disk alone, or to new ones. As QEMU does it, one
 * request is served in steps, each within one slice of an L2 table (the part of it that QEMU would hold in memory):
 * clusters in place are used where they lie, others are allocated in a row, and each step continues where the one
 * before ended in the file, if it can.
 *
 * What a new cluster holds beside the bytes written is filled with zeros. So a write of less than a cluster is right
 * only where the rest reads as zeros already; whoever writes over other content writes whole clusters.
 */
import { roundDown, roundUp } from '../../bytes.js';
import type { HostWrites } from '../../image/host-writes.js';
import type { ClusterTables, Row } from './cluster-tables.js';
import type { HostSpace } from './host-space.js';
import { ENTRY_SIZE, EXTENDED_L2_ENTRY_SIZE, SUBCLUSTERS } from './layout.js';
import type { Refcounts } from './refcounts.js';
import type { RequestPart } from './request-grid.js';
import type { Steps } from './steps.js';

/** From this many bytes of L2 tables on QEMU handles them in slices. */
const L2_CACHE = 32 * 1024 * 1024;
const L2_SLICE = 4096;

/** Bytes; QEMU asks for a cluster less than this at once when it preallocates. */
const LONGEST_REQUEST = 2 ** 31;

/** Guest bytes of one slice of an L2 table, as QEMU sets it for a disk of `size` bytes. */
export function sliceCoverage(size: number, clusterSize: number, isExtended: boolean): number {
  const entrySize = isExtended ? EXTENDED_L2_ENTRY_SIZE : ENTRY_SIZE;
  const tables = roundUp(Math.ceil(size / clusterSize) * entrySize, clusterSize);
  const slice = tables > L2_CACHE ? Math.min(clusterSize, L2_SLICE) : clusterSize;
  return (slice / entrySize) * clusterSize;
}

/** Guest bytes [start, end) at host offset `host`. */
export interface Placed {
  start: number;
  end: number;
  host: number;
}

export class Placer {
  /** Where the last step ended, as guest and host offset. */
  #last = { guest: -1, host: -1 };
  readonly #clusterSize: number;
  /** New clusters are filled up with zeros to multiples of this. */
  readonly #grain: number;

  /**
   * @param space of the file that holds the data: the image, or its external data file
   * @param slice guest bytes of one slice of an L2 table
   */
  constructor(
    private readonly tables: ClusterTables,
    private readonly refcounts: Refcounts,
    private readonly space: HostSpace,
    private readonly slice: number,
  ) {
    this.#clusterSize = tables.clusterSize;
    this.#grain = tables.isExtended ? this.#clusterSize / SUBCLUSTERS : this.#clusterSize;
  }

  /** Places a part of a request; the zeros that belong around it go to `writes`. */
  *place(part: RequestPart, writes: HostWrites): Steps<Placed[]> {
    const placed: Placed[] = [];
    if (!part.continues) yield* this.refcounts.closeRun();
    // Host offset at which the next step should begin; null: anywhere.
    let wanted = part.continues && this.#last.guest === part.start ? this.#last.host : null;
    let at = part.start;
    while (at < part.end) {
      const end = Math.min(part.end, roundDown(at, this.slice) + this.slice);
      const table = yield* this.tables.table(at);
      const cluster = Math.floor(at / this.#clusterSize);
      const row = yield* this.tables.row(table, cluster, Math.ceil(end / this.#clusterSize) - cluster);
      const reachesEnd = (cluster + row.count) * this.#clusterSize >= part.end;
      const expectedEnd = reachesEnd ? Math.min(part.expectedEnd, roundDown(at, this.slice) + this.slice) : 0;
      const expected = Math.max(row.count, Math.ceil(expectedEnd / this.#clusterSize) - cluster);
      const isRunOn = wanted !== null && at === part.start && at % this.slice !== 0;
      const found = yield* this.#hostFor(row, expected, cluster, wanted, isRunOn);
      if (found === null) {
        wanted = null;
        continue;
      }
      const stop = Math.min(end, (cluster + found.count) * this.#clusterSize);
      const host = found.host + (at % this.#clusterSize);
      if (row.host === null) yield* this.#enterNew(table, at, stop, found.host, writes);
      else yield* this.#useInPlace(table, at, stop, found.host, writes);
      placed.push({ start: at, end: stop, host });
      wanted = host + (stop - at);
      at = stop;
    }
    this.#last = { guest: at, host: wanted! };
    return placed;
  }

  /**
   * Reserves clusters for [start, end) without content: metadata preallocation. Returns the host offset at which the
   * last one ends, or the disk in it.
   *
   * @param onStep called for each part, before anything else is reserved; `hostEnd` as what is returned
   */
  *reserve(
    start: number,
    end: number,
    onStep?: (start: number, end: number, hostEnd: number) => Steps<void>,
  ): Steps<number> {
    let wanted: number | null = null;
    let requestEnd = 0;
    let at = start;
    while (at < end) {
      if (wanted === null || at === requestEnd) {
        wanted = null;
        requestEnd = Math.min(end, at + LONGEST_REQUEST - this.#clusterSize);
      }
      const stop: number = Math.min(requestEnd, roundDown(at, this.slice) + this.slice);
      const reached: number = yield* this.#reserveStep(at, stop, wanted);
      wanted = reached === 0 ? null : reached;
      if (wanted === null) continue;
      if (onStep !== undefined) yield* onStep(at, this.#reservedTo, wanted);
      at = this.#reservedTo;
    }
    return wanted ?? 0;
  }

  #reservedTo = 0;

  /** Reserves from `start` on, within a slice, at `wanted` if given; 0 if that is in use. */
  *#reserveStep(start: number, end: number, wanted: number | null): Steps<number> {
    const table = yield* this.tables.table(start);
    const cluster = Math.floor(start / this.#clusterSize);
    const count = Math.ceil(end / this.#clusterSize) - cluster;
    const found = yield* this.#hostFor({ host: null, count }, count, cluster, wanted, false);
    if (found === null) return 0;
    yield* this.tables.enter(table, cluster, found.count, found.host, start, start);
    this.#reservedTo = Math.min(end, (cluster + found.count) * this.#clusterSize);
    const length = this.#reservedTo - start;
    // A cluster that the disk fills in part is filled up with zeros; the others only exist.
    if (length % this.#clusterSize !== 0) this.space.claim(found.host, roundUp(length, this.#grain));
    return found.host + length;
  }

  /** Where a row of clusters goes; null if it cannot go to `wanted`. May be fewer than asked for. */
  *#hostFor(
    { host, count }: Row,
    expected: number,
    cluster: number,
    wanted: number | null,
    isRunOn: boolean,
  ): Steps<{ host: number; count: number } | null> {
    const wantedCluster = wanted === null ? null : roundDown(wanted, this.#clusterSize);
    if (host !== null || this.tables.isExternal) {
      const found = host ?? cluster * this.#clusterSize;
      return wantedCluster === null || wantedCluster === found ? { host: found, count } : null;
    }
    if (wantedCluster === null) return { host: yield* this.refcounts.allocateRun(count, expected), count };
    if (isRunOn && (yield* this.refcounts.extendRun(wantedCluster, count))) return { host: wantedCluster, count };
    const taken = yield* this.refcounts.allocateAt(wantedCluster, count, expected);
    return taken === 0 ? null : { host: wantedCluster, count: taken };
  }

  *#enterNew(table: number, start: number, end: number, host: number, writes: HostWrites): Steps<void> {
    const cluster = Math.floor(start / this.#clusterSize);
    const origin = cluster * this.#clusterSize;
    const from = roundDown(start - origin, this.#grain);
    const to = roundUp(end - origin, this.#grain);
    const count = Math.ceil(end / this.#clusterSize) - cluster;
    const isUntouched = host + from >= this.space.untouched;
    this.space.claim(host + from, to - from);
    if (!isUntouched) {
      writes.zero(host + from, start - origin - from);
      writes.zero(host + end - origin, to - (end - origin));
    }
    yield* this.tables.enter(table, cluster, count, host, origin + from, origin + to);
  }

  /** Clusters that are there: with extended L2 entries, subclusters that held nothing are filled up with zeros. */
  *#useInPlace(table: number, start: number, end: number, host: number, writes: HostWrites): Steps<void> {
    const cluster = Math.floor(start / this.#clusterSize);
    const origin = cluster * this.#clusterSize;
    const from = roundDown(start, this.#grain);
    const to = roundUp(end, this.#grain);
    const fillsHead = from < start && !(yield* this.tables.holdsData(table, start));
    const fillsTail = to > end && !(yield* this.tables.holdsData(table, end - 1));
    if (fillsHead) writes.zero(host + from - origin, start - from);
    if (fillsTail) writes.zero(host + end - origin, to - end);
    this.space.claim(host + start - origin, (fillsTail ? to : end) - start);
    yield* this.tables.enter(table, cluster, Math.ceil(end / this.#clusterSize) - cluster, host, from, to);
  }
}
