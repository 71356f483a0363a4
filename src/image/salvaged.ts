/** An image whose status may be damaged: what it cannot tell may be data, and reading it will show (--salvage). */
import { ImageError } from '../errors.js';
import { isPending, type MaybePromise } from '../maybe.js';
import type { Extent, Image } from './image.js';
import { ImageView } from './view.js';

const SECTOR = 512;

export class SalvagedImage extends ImageView {
  constructor(
    disk: Image,
    /** Told of each sector without a status. */
    private readonly onLost: (offset: number, error: ImageError) => void,
  ) {
    super(disk);
  }

  extents(start: number, length: number): MaybePromise<Extent[]> {
    try {
      const known = this.disk.extents(start, length);
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
}
