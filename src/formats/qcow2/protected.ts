/**
 * Metadata that must never be allocated again.
 *
 * The refcounts of an image may be wrong, by accident or on purpose. An allocation that trusts them could then put data
 * over the tables of the image. So everything that the header leads to is remembered when the image is opened, and an
 * allocation that meets it fails. What is allocated later is counted by our own refcounts.
 */
import { viewOf } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import type { ByteSource } from '../../storage/storage.js';
import { clusterSizeOf, type QcowHeader } from './header.js';
import { ENTRY_SIZE, hostOffsetOf } from './layout.js';
import type { Snapshot } from './snapshots.js';

/** Host bytes [start, end). */
interface Range {
  start: number;
  end: number;
}

export class ProtectedRanges {
  /** Clusters in use one by one: refcount blocks and L2 tables; ascending offsets. */
  readonly #clusters: Float64Array;
  readonly #clusterSize: number;
  /** Of `#clusters`: those that hold nothing of value any more. */
  readonly #released = new Set<number>();

  constructor(
    private ranges: readonly Range[],
    clusters: Float64Array,
    clusterSize: number,
  ) {
    this.#clusters = clusters.sort();
    this.#clusterSize = clusterSize;
  }

  /** What `header` leads to; `refcountTable` holds the offsets of the refcount blocks. */
  static async of(
    source: ByteSource,
    header: QcowHeader,
    snapshots: readonly Snapshot[],
    refcountTable: Float64Array,
  ): Promise<ProtectedRanges> {
    const clusterSize = clusterSizeOf(header);
    const span = (start: number, length: number): Range => ({ start, end: start + length });
    const ranges = [
      span(0, clusterSize),
      span(header.l1TableOffset, header.l1Size * ENTRY_SIZE),
      span(header.refcountTableOffset, header.refcountTableClusters * clusterSize),
      ...snapshots.map(({ l1TableOffset, l1Size }) => span(Number(l1TableOffset), l1Size * ENTRY_SIZE)),
    ];
    if (header.snapshotCount > 0) ranges.push(span(header.snapshotsOffset, clusterSize));
    const { bitmaps } = header.extensions;
    if (bitmaps !== null) ranges.push(span(bitmaps.directoryOffset, bitmaps.directorySize));
    const tables = await l2Tables(source, header);
    const clusters = new Float64Array([...refcountTable, ...tables].filter((offset) => offset !== 0));
    return new ProtectedRanges(ranges, clusters, clusterSize);
  }

  /** What lay in [start, start + length), a table of its own, has been given up. */
  release(start: number, length: number): void {
    this.ranges = this.ranges.filter((range) => range.start !== start || range.end !== start + length);
    for (let at = start; at < start + length; at += this.#clusterSize) this.#released.add(at);
  }

  /** Throws `corrupt` if any of it lies in [start, start + length). */
  check(start: number, length: number): void {
    const end = start + length;
    const meets = this.ranges.some((range) => range.start < end && start < range.end);
    if (meets || this.#holdsCluster(start, end))
      throw corrupt(`Preventing invalid allocation at offset ${start}: the refcounts of metadata are wrong`);
  }

  #holdsCluster(start: number, end: number): boolean {
    let low = 0;
    let high = this.#clusters.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#clusters[middle]! + this.#clusterSize > start) high = middle;
      else low = middle + 1;
    }
    while (this.#released.has(this.#clusters[low]!)) low++;
    return low < this.#clusters.length && this.#clusters[low]! < end;
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
