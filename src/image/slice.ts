/** A part of a disk as a disk of its own. */
import type { ImageError } from '../errors.js';
import { isPending, type MaybePromise } from '../maybe.js';
import type { Extent, Image, ImageDetails } from './image.js';

export class SliceImage implements Image {
  readonly format: string;
  readonly clusterSize: number;
  readonly backing = null;
  readonly snapshots = [];
  readonly unreadable: ImageError | null;

  /** Bytes [start, start + size) of `image`, within its size. */
  constructor(
    private readonly image: Image,
    private readonly start: number,
    readonly size: number,
  ) {
    this.format = image.format;
    this.clusterSize = image.clusterSize;
    this.unreadable = image.unreadable;
  }

  extents(start: number, length: number): MaybePromise<Extent[]> {
    const known = this.image.extents(this.start + start, length);
    const moved = (extents: Extent[]) => extents.map((extent) => ({ ...extent, start: extent.start - this.start }));
    return isPending(known) ? known.then(moved) : moved(known);
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    return this.image.read(this.start + offset, into);
  }

  details(): ImageDetails {
    return {};
  }

  close(): Promise<void> {
    return this.image.close();
  }
}
