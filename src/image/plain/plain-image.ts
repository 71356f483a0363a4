/**
 * A plain disk: a part of a storage is the disk, byte for byte (raw images, fixed VHDs).
 *
 * Disks consist of 512-byte sectors, so a file of 700 bytes is a disk of 1024, whose last 324 bytes read as zeros.
 */
import { roundUp } from '../../bytes.js';
import type { Loan } from '../../loan.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSource, StorageExtent } from '../../storage/storage.js';
import type { Extent, Image, ImageDetails } from '../image.js';

export const SECTOR = 512;

/** The part of a storage that is the disk; bytes. */
export interface Region {
  offset: number;
  length: number;
  /** So much of it is stored at most, and zeros follow; absent: up to the storage's end. */
  stored?: number;
}

/** What a storage of so many bytes counts for: whole sectors. */
export function asDisk(size: number): number {
  return roundUp(size, SECTOR);
}

export class PlainImage implements Image {
  readonly clusterSize = 1;
  readonly backing = null;
  readonly snapshots = [];
  readonly unreadable = null;

  /** @param preallocated all of the disk has its place, so what a hole of the storage reads is data */
  constructor(
    readonly format: string,
    protected readonly source: ByteSource,
    protected region: Region,
    private readonly preallocated = false,
  ) {}

  get size(): number {
    return asDisk(this.region.length);
  }

  extents(start: number, length: number): MaybePromise<Extent[]> {
    const stored = Math.min(start + length, this.end) - start;
    if (stored <= 0) return [this.#extent(start, length, 'zero')];
    const asked = this.source.extents?.(this.region.offset + start, stored);
    if (isPending(asked)) return asked.then((found) => this.#describe(start, length, found));
    return this.#describe(start, length, asked ?? [{ start: this.region.offset + start, length: stored, hole: false }]);
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    const stored = Math.max(0, Math.min(into.length, this.end - offset));
    if (stored < into.length) into.fill(0, stored);
    if (stored === 0) return;
    this.source.announce?.('read_aio');
    return this.source.read(this.region.offset + offset, into.subarray(0, stored));
  }

  lend(offset: number, length: number): Promise<Loan> | null {
    if (offset + length > this.end) return null;
    return this.source.lend?.(this.region.offset + offset, length) ?? null;
  }

  details(): ImageDetails {
    return {};
  }

  close(): Promise<void> {
    return this.source.close();
  }

  /** End of what is stored, counted from the start of the disk; up to `size` follow zeros. */
  protected get end(): number {
    const { offset, stored = Number.POSITIVE_INFINITY } = this.region;
    return Math.min(this.size, this.source.size - offset, stored);
  }

  #describe(start: number, length: number, found: StorageExtent[]): Extent[] {
    const extents: Extent[] = [];
    for (const { start: host, length: count, hole, stored = !hole } of found) {
      const extent = this.#extent(host - this.region.offset, count, hole ? 'zero' : 'data');
      if (stored === hole) Object.assign(extent, hole ? { isHole: true } : { isAbsent: true, hostOffset: null });
      this.#append(extents, extent);
    }
    const last = extents[extents.length - 1];
    const reached = last === undefined ? start : last.start + last.length;
    const left = start + length - reached;
    if (reached < this.end || left <= 0) return extents;
    // Of what lies in one unit with the end the storage says nothing of its own.
    if (last !== undefined && left < (this.source.requestAlignment ?? 1)) last.length += left;
    else this.#append(extents, this.#extent(reached, left, 'zero'));
    return extents;
  }

  #append(extents: Extent[], next: Extent): void {
    const last = extents[extents.length - 1];
    if (last !== undefined && isAlike(last, next)) last.length += next.length;
    else extents.push(next);
  }

  #extent(start: number, length: number, kind: Extent['kind']): Extent {
    const extent = { start, length, kind, compressed: false, hostOffset: this.region.offset + start, depth: 0 };
    return kind === 'zero' && this.preallocated ? { ...extent, isHole: true } : extent;
  }
}

function isAlike(a: Extent, b: Extent): boolean {
  return a.kind === b.kind && a.isHole === b.isHole && a.isAbsent === b.isAbsent;
}
