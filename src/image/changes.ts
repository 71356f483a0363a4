/** What the upper layers of a backing chain change of the disk below them, and what nobody changes. */
import { isPending, type MaybePromise } from '../maybe.js';
import type { Extent, Image } from './image.js';
import { ImageView } from './view.js';

/**
 * A disk of a chain in which all that its first `layers` images hold is of depth 0, and all that they leave to the others
 * deeper. Its content is that of the disk.
 */
export class ChangesImage extends ImageView {
  constructor(
    disk: Image,
    private readonly layers: number,
  ) {
    super(disk);
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
}

/** A disk that nobody changes: all of it is shown from below. */
export class UnchangedImage extends ImageView {
  extents(start: number, length: number): Extent[] {
    return [{ start, length, kind: 'unallocated', compressed: false, hostOffset: null, depth: 1 }];
  }
}
