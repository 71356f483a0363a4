/** Walking the extents of a disk from front to back. */
import type { Extent, Image } from './image.js';

/** Asks for the extents of a disk as far as they are needed. */
export class ExtentCursor {
  #known: Extent[] = [];
  #index = 0;

  constructor(private readonly image: Image) {}

  /** The extent with the byte at `offset`, which lies within the disk and never goes back. */
  async at(offset: number): Promise<Extent> {
    for (; this.#index < this.#known.length; this.#index++) {
      const extent = this.#known[this.#index]!;
      if (offset < extent.start + extent.length) return extent;
    }
    this.#known = await this.image.extents(offset, this.image.size - offset);
    this.#index = 0;
    return this.#known[0]!;
  }
}
