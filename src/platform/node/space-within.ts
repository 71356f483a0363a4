/**
 * Space reserved within a file that got its length before its content, and is written from front to back, with holes.
 *
 * Only what continues a longer stretch of data gets any. Where the stretch ends, the rest is given back: between the front,
 * which is the end of the last write, and the end of the reserved space nothing was ever written.
 */
import { LEAST, MOST, type Reserver } from './reserver.js';

export class SpaceWithin {
  /** Begin and end of what was written in a row. */
  #start = 0;
  #front = 0;
  /** End of the reserved space; up to the front none is. */
  #end = 0;
  #able = true;

  constructor(private readonly reserver: Reserver) {}

  /** A file of `size` bytes is about to be written at [offset, end). To be told of all writes, appended ones too. */
  prepare(size: number, offset: number, end: number): void {
    // Written in another order, or once more.
    if (end <= this.#front) return;
    if (offset > this.#front) {
      this.release();
      this.#start = offset;
    }
    this.#front = end;
    if (!this.#able || end <= this.#end || end - this.#start < LEAST) return;
    const from = Math.max(this.#end, offset);
    const to = Math.min(size, end + Math.min(MOST, end - this.#start));
    if (to <= from) return;
    // What fails may have reserved a part.
    this.#end = to;
    this.#able = this.reserver.reserve(from, to);
    if (!this.#able) this.release();
  }

  /** From now on the space of the file is somebody else's business. */
  stop(): void {
    this.release();
    this.#able = false;
  }

  /** The file was emptied: nothing is reserved any more. */
  emptied(): void {
    this.#end = 0;
  }

  /** Gives back what was not written; throws an `ImageError` if the system does not take it. */
  release(): void {
    const end = this.#end;
    this.#end = 0;
    if (end > this.#front) this.reserver.punch(this.#front, end);
  }
}
