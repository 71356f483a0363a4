/** An image whose status may be damaged: what it cannot tell may be data, and reading it will show (--salvage). */
import { ImageError } from '../errors.js';
import { isPending, type MaybePromise } from '../maybe.js';
import type { BackingReference, Extent, Image, ImageDetails, SnapshotInfo } from './image.js';

const SECTOR = 512;

export class SalvagedImage implements Image {
  readonly format: string;
  readonly size: number;
  readonly clusterSize: number;
  readonly backing: BackingReference | null;
  readonly snapshots: readonly SnapshotInfo[];
  readonly unreadable: ImageError | null;

  constructor(
    private readonly inner: Image,
    /** Told of each sector without a status. */
    private readonly onLost: (offset: number, error: ImageError) => void,
  ) {
    this.format = inner.format;
    this.size = inner.size;
    this.clusterSize = inner.clusterSize;
    this.backing = inner.backing;
    this.snapshots = inner.snapshots;
    this.unreadable = inner.unreadable;
  }

  extents(start: number, length: number): MaybePromise<Extent[]> {
    try {
      const known = this.inner.extents(start, length);
      return isPending(known) ? known.catch((error) => this.#askForLess(start, length, error)) : known;
    } catch (error) {
      return this.#askForLess(start, length, error);
    }
  }

  /** The damage may lie behind the first sectors: a quarter of the range is asked for, down to a single sector. */
  #askForLess(start: number, length: number, error: unknown): MaybePromise<Extent[]> {
    if (!(error instanceof ImageError) || error.code === 'aborted') throw error;
    if (length > SECTOR) return this.extents(start, SECTOR * Math.ceil(length / 4 / SECTOR));
    this.onLost(start, error);
    return [{ start, length, kind: 'data', compressed: false, hostOffset: null, depth: 0 }];
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    return this.inner.read(offset, into);
  }

  details(): ImageDetails {
    return this.inner.details();
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
