/**
 * Placing prepared runs: each piece gets its place in the file, and its entry in the tables.
 *
 * In a new image everything that is not placed reads as zeros. Zero pieces are skipped there, and data may begin and
 * end anywhere in a cluster. Where other content may show (a backing file, an image that exists), the run is placed in
 * whole clusters: a cluster with any data in it is written in full, zeros included, and the others become zero
 * clusters. Runs end on the grid of `unit`, or at the end of the disk, so no cluster belongs to two of them.
 */
import { roundDown } from '../../bytes.js';
import type { HostWrites } from '../../image/host-writes.js';
import type { PreparedRun } from '../../image/image.js';
import type { Piece } from '../../kernels/kernels.js';
import type { ClusterTables } from './cluster-tables.js';
import type { HostSpace } from './host-space.js';
import type { Placed, Placer } from './placing.js';
import type { Refcounts } from './refcounts.js';
import { RequestGrid, type RequestPart } from './request-grid.js';
import type { Steps } from './steps.js';
import { type Stretch, wholeClusters } from './stretches.js';

export interface PlacingRules {
  /** What is not placed reads as zeros. */
  readsZero: boolean;
  /** An unallocated cluster shows a backing file. */
  hasBacking: boolean;
  /** Units come compressed, each a request of its own. */
  compresses: boolean;
  version: 2 | 3;
  /** The external data file is to read as the guest's disk, zeros included. */
  isDataRaw: boolean;
}

type DataPiece = Extract<Piece, { kind: 'data' }>;
type PackedPiece = Extract<Piece, { kind: 'packed' }>;

function* noPause(): Steps<void> {}

/** Bytes that are written at once; long enough not to be copied together. */
const STORED_ZEROS = 1024 * 1024;

const ZEROS = new Uint8Array(64 * 1024);

export class RunPlacer {
  readonly #grid = new RequestGrid();
  readonly #clusterSize: number;

  constructor(
    private readonly rules: PlacingRules,
    private readonly tables: ClusterTables,
    private readonly refcounts: Refcounts,
    private readonly placer: Placer,
    private readonly image: HostSpace,
    private readonly data: HostSpace,
    /** Called between tables of a long stretch of zeros, while nothing waits to be written. */
    private readonly pause: () => Steps<void> = noPause,
  ) {
    this.#clusterSize = tables.clusterSize;
  }

  /** Gives every piece of the run its place; what is to be written goes to `writes`. */
  *place(run: PreparedRun, writes: HostWrites): Steps<void> {
    this.#grid.startRun(run);
    if (!this.rules.readsZero) {
      for (const stretch of wholeClusters(run, this.#clusterSize)) yield* this.#placeStretch(stretch, writes);
      return;
    }
    for (const piece of run.pieces) {
      if (piece.kind === 'data') yield* this.#placeData(piece, writes);
      else if (piece.kind === 'packed') yield* this.#placePacked(piece, writes);
    }
  }

  /** Gives data that end on subclusters a place in clusters that hold nothing else, or hold it in place. */
  *placePart(run: PreparedRun, writes: HostWrites): Steps<void> {
    this.#grid.startRun(run);
    for (const piece of run.pieces as DataPiece[]) yield* this.#placeData(piece, writes);
  }

  /** Makes [start, end), whole clusters, read as zeros. */
  *placeZeros(start: number, end: number, writes: HostWrites): Steps<void> {
    let at = start;
    while (at < end) {
      const stop = Math.min(end, roundDown(at, this.tables.coverage) + this.tables.coverage);
      if (writes.isEmpty) yield* this.pause();
      yield* this.#zeroInTable(at, stop, writes);
      at = stop;
    }
  }

  *#placeData(piece: DataPiece, writes: HostWrites): Steps<void> {
    for (const part of this.#requests(piece.offset, piece.offset + piece.length)) {
      for (const { start, end, host } of yield* this.placer.place(part, writes))
        writes.add(host, piece.bytes.subarray(start - piece.offset, end - piece.offset));
    }
  }

  *#placePacked(piece: PackedPiece, writes: HostWrites): Steps<void> {
    const { offset, bytes } = piece;
    const table = yield* this.tables.table(offset);
    const host = yield* this.refcounts.allocateBytes(bytes.length);
    this.image.claim(host, bytes.length);
    yield* this.tables.enterPacked(table, Math.floor(offset / this.#clusterSize), host, bytes.length);
    writes.add(host, bytes);
  }

  *#placeStretch(stretch: Stretch, writes: HostWrites): Steps<void> {
    const { kind, start, end, pieces } = stretch;
    if (kind === 'zero') yield* this.placeZeros(start, end, writes);
    else if (kind === 'packed') for (const piece of pieces) yield* this.#placePacked(piece as PackedPiece, writes);
    else yield* this.#placeWhole(stretch, writes);
  }

  /** Whole clusters of data pieces with zeros between them. */
  *#placeWhole({ start, end, pieces }: Stretch, writes: HostWrites): Steps<void> {
    const untouched = this.data.untouched;
    const placed: Placed[] = [];
    for (const part of this.#requests(start, end)) placed.push(...(yield* this.placer.place(part, writes)));
    for (const { start: from, end: to, host } of placed) {
      let at = from;
      const zerosTo = (next: number) => {
        if (host + at - from < untouched) writeZeros(host + at - from, next - at, writes);
        at = next;
      };
      for (const { offset, length, bytes } of pieces as DataPiece[]) {
        const first = Math.max(from, offset);
        const last = Math.min(to, offset + length);
        if (first >= last) continue;
        zerosTo(first);
        writes.add(host + first - from, bytes.subarray(first - offset, last - offset));
        at = last;
      }
      zerosTo(to);
    }
  }

  *#zeroInTable(start: number, end: number, writes: HostWrites): Steps<void> {
    const { hasBacking, version } = this.rules;
    // Version 3 says so even where nothing is: a backing file that it gets later is hidden, as with QEMU.
    if (version < 3 && !hasBacking && (yield* this.tables.findTable(start)) === 0) return;
    if (version < 3 && hasBacking) {
      // No way to say "zeros": they are written.
      for (const { start: from, end: to, host } of yield* this.placer.place(requestOf(start, end), writes))
        storeZeros(host, to - from, writes);
      return;
    }
    const table = yield* this.tables.table(start);
    const first = Math.floor(start / this.#clusterSize);
    const count = Math.ceil(end / this.#clusterSize) - first;
    yield* this.tables.enterZeros(table, first, count, version >= 3);
    if (this.tables.isExternal && this.rules.isDataRaw) writes.zero(start, end - start);
  }

  #requests(start: number, end: number): Iterable<RequestPart> {
    return this.rules.compresses ? [requestOf(start, end)] : this.#grid.split(start, end);
  }
}

/** A request of its own. */
function requestOf(start: number, end: number): RequestPart {
  return { start, end, continues: false, expectedEnd: end };
}

/** Zeros that take space, as QEMU writes them: whoever looks for holes in the file finds data. */
function storeZeros(offset: number, length: number, writes: HostWrites): void {
  const zeros = new Uint8Array(Math.min(length, STORED_ZEROS));
  for (let at = 0; at < length; at += zeros.length)
    writes.add(offset + at, zeros.subarray(0, Math.min(zeros.length, length - at)));
}

/** Small stretches of zeros are copied along with their neighbours, large ones are left to the storage. */
function writeZeros(offset: number, length: number, writes: HostWrites): void {
  if (length <= 0) return;
  if (length < ZEROS.length) writes.add(offset, ZEROS.subarray(0, length));
  else writes.zero(offset, length);
}
