/** A disk seen otherwise: content and description are another disk's, what is told of its extents is not. */
import type { ImageError } from '../errors.js';
import type { MaybePromise } from '../maybe.js';
import type { BackingReference, Extent, Image, ImageDetails, SnapshotInfo } from './image.js';

export abstract class ImageView implements Image {
  readonly format: string;
  readonly size: number;
  readonly clusterSize: number;
  readonly backing: BackingReference | null;
  readonly snapshots: readonly SnapshotInfo[];
  readonly unreadable: ImageError | null;

  constructor(protected readonly disk: Image) {
    this.format = disk.format;
    this.size = disk.size;
    this.clusterSize = disk.clusterSize;
    this.backing = disk.backing;
    this.snapshots = disk.snapshots;
    this.unreadable = disk.unreadable;
  }

  abstract extents(start: number, length: number): MaybePromise<Extent[]>;

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
