/** What the upper layers of a backing chain change of the disk below them, and what nobody changes. */
import type { ImageError } from '../errors.js';
import { isPending, type MaybePromise } from '../maybe.js';
import type { BackingReference, Extent, Image, ImageDetails, SnapshotInfo } from './image.js';

/**
 * A disk of a chain in which all that its first `layers` images hold is of depth 0, and all that they leave to the others
 * deeper. Its content is that of the disk.
 */
export class ChangesImage implements Image {
  readonly format: string;
  readonly size: number;
  readonly clusterSize: number;
  readonly backing: BackingReference | null;
  readonly snapshots: readonly SnapshotInfo[];
  readonly unreadable: ImageError | null;

  constructor(
    private readonly disk: Image,
    private readonly layers: number,
  ) {
    this.format = disk.format;
    this.size = disk.size;
    this.clusterSize = disk.clusterSize;
    this.backing = disk.backing;
    this.snapshots = disk.snapshots;
    this.unreadable = disk.unreadable;
  }

  extents(start: number, length: number): MaybePromise<Extent[]> {
    const known = this.disk.extents(start, length);
    const marked = (extents: Extent[]) => extents.map((extent) => this.#marked(extent));
    return isPending(known) ? known.then(marked) : marked(known);
  }

  /** Zeros behind the end of a layer that is not the last one hide what lies below it: they are a change. */
  #marked(extent: Extent): Extent {
    const { kind, depth } = extent;
    if (kind !== 'unallocated') return { ...extent, depth: depth < this.layers ? 0 : depth };
    return depth < this.layers - 1 ? { ...extent, kind: 'zero', depth: 0 } : { ...extent, depth: this.layers };
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    return this.disk.read(offset, into);
  }

  details(): ImageDetails {
    return this.disk.details();
  }

  close(): Promise<void> {
    return this.disk.close();
  }
}

/** A disk that nobody changes: all of it is shown from below. */
export class UnchangedImage implements Image {
  readonly format: string;
  readonly size: number;
  readonly clusterSize: number;
  readonly backing = null;
  readonly snapshots = [];
  readonly unreadable: ImageError | null;

  constructor(private readonly disk: Image) {
    this.format = disk.format;
    this.size = disk.size;
    this.clusterSize = disk.clusterSize;
    this.unreadable = disk.unreadable;
  }

  extents(start: number, length: number): Extent[] {
    return [{ start, length, kind: 'unallocated', compressed: false, hostOffset: null, depth: 1 }];
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    return this.disk.read(offset, into);
  }

  details(): ImageDetails {
    return {};
  }

  close(): Promise<void> {
    return this.disk.close();
  }
}
