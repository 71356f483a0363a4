/**
 * Metadata that must never be allocated again.
 *
 * The refcounts of an image may be wrong, by accident or on purpose. An allocation that trusts them could then put data
 * over the tables of the image. So everything that the header leads to is remembered when the image is opened, and an
 * allocation that meets it fails, and the image is marked as corrupt. What is allocated later is counted by our own refcounts.
 */
import { viewOf } from '../../bytes.js';
import type { ImageError } from '../../errors.js';
import type { CheckEvents } from '../../image/check.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { markCorrupt } from './corruption.js';
import { clusterSizeOf, type QcowHeader } from './header.js';
import { ENTRY_SIZE, hostOffsetOf } from './layout.js';
import type { Snapshot } from './snapshots.js';

/** Host bytes [start, end), and what QEMU calls what lies there. */
interface Range {
  start: number;
  end: number;
  name: string;
}

export class ProtectedRanges {
  /** Clusters in use one by one: refcount blocks and L2 tables; ascending offsets. */
  readonly #clusters: Float64Array;
  readonly #clusterSize: number;
  readonly #refcountBlocks: Float64Array;
  /** Of `#clusters`: those that hold nothing of value any more. */
  readonly #released = new Set<number>();

  private constructor(
    private readonly store: ByteStore,
    private readonly header: QcowHeader,
    private ranges: readonly Range[],
    clusters: { refcountBlocks: Float64Array; l2Tables: Float64Array },
    private readonly events: CheckEvents | undefined,
  ) {
    const { refcountBlocks, l2Tables } = clusters;
    this.#refcountBlocks = refcountBlocks;
    this.#clusters = new Float64Array([...refcountBlocks, ...l2Tables].filter((offset) => offset !== 0)).sort();
    this.#clusterSize = clusterSizeOf(header);
  }

  /** What `header` leads to; `refcountTable` holds the offsets of the refcount blocks. */
  static async of(
    store: ByteStore,
    header: QcowHeader,
    snapshots: readonly Snapshot[],
    refcountTable: Float64Array,
    events?: CheckEvents,
  ): Promise<ProtectedRanges> {
    const clusterSize = clusterSizeOf(header);
    const span = (name: string, start: number, length: number): Range => ({ name, start, end: start + length });
    const ranges = [
      span('qcow2_header', 0, clusterSize),
      span('active L1 table', header.l1TableOffset, header.l1Size * ENTRY_SIZE),
      span('refcount table', header.refcountTableOffset, header.refcountTableClusters * clusterSize),
      ...snapshots.map(({ l1TableOffset, l1Size }) =>
        span('inactive L1 table', Number(l1TableOffset), l1Size * ENTRY_SIZE),
      ),
    ];
    if (header.snapshotCount > 0) ranges.push(span('snapshot table', header.snapshotsOffset, clusterSize));
    const { bitmaps } = header.extensions;
    if (bitmaps !== null) ranges.push(span('bitmap directory', bitmaps.directoryOffset, bitmaps.directorySize));
    const clusters = { refcountBlocks: refcountTable, l2Tables: await l2Tables(store, header) };
    return new ProtectedRanges(store, header, ranges, clusters, events);
  }

  /** What lay in [start, start + length), a table of its own, has been given up. */
  release(start: number, length: number): void {
    this.ranges = this.ranges.filter((range) => range.start !== start || range.end !== start + length);
    for (let at = start; at < start + length; at += this.#clusterSize) this.#released.add(at);
  }

  /** Whether any of it lies in [start, start + length). */
  meets(start: number, length: number): boolean {
    return this.#nameAt(start, start + length) !== null;
  }

  /** Marks the image as corrupt, since [start, start + length) was about to be written. Returns the failure to throw. */
  refuse(start: number, length: number): Promise<ImageError> {
    return this.signalCorruption(
      `Preventing invalid write on metadata (overlaps with ${this.#nameAt(start, start + length)})`,
    );
  }

  /** Marks the image as corrupt, since its metadata contradict themselves. Returns the failure to throw. */
  signalCorruption(message: string): Promise<ImageError> {
    return markCorrupt(this.store, this.header, message, this.events);
  }

  #nameAt(start: number, end: number): string | null {
    const range = this.ranges.find((each) => each.start < end && start < each.end);
    if (range !== undefined) return range.name;
    const cluster = this.#clusterIn(start, end);
    if (cluster === null) return null;
    return this.#refcountBlocks.includes(cluster) ? 'refcount block' : 'active L2 table';
  }

  #clusterIn(start: number, end: number): number | null {
    let low = 0;
    let high = this.#clusters.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#clusters[middle]! + this.#clusterSize > start) high = middle;
      else low = middle + 1;
    }
    while (this.#released.has(this.#clusters[low]!)) low++;
    return low < this.#clusters.length && this.#clusters[low]! < end ? this.#clusters[low]! : null;
  }
}

/** Host offsets of the active L2 tables, 0 where there is none. */
async function l2Tables(source: ByteSource, header: QcowHeader): Promise<Float64Array> {
  const bytes = new Uint8Array(header.l1Size * ENTRY_SIZE);
  if (bytes.length > 0) await source.read(header.l1TableOffset, bytes);
  const view = viewOf(bytes);
  const offsets = new Float64Array(header.l1Size);
  for (let index = 0; index < offsets.length; index++)
    offsets[index] = hostOffsetOf(view.getUint32(index * ENTRY_SIZE), view.getUint32(index * ENTRY_SIZE + 4));
  return offsets;
}
