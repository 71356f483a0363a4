/** Space reserved ahead of the end of a file that grows. */
import { LEAST, MOST, type Reserver } from './reserver.js';

/** A gap of so many bytes is one that is meant to be a hole; shorter ones are tables that follow, or the rests of clusters. */
const GAP = 256 * 1024;

export class SpaceAhead {
  /** End of the reserved space; up to the file's own end none is. */
  #end = 0;
  #able = true;

  constructor(private readonly reserver: Reserver) {}

  /** A file of `size` bytes is about to be written at [offset, end), beyond its size. */
  prepare(size: number, offset: number, end: number): void {
    this.skip(size, offset);
    if (!this.#able || end <= this.#end || end < LEAST) return;
    const start = Math.max(this.#end, size);
    // What fails may have reserved a part, which is used up or given back at the end.
    this.#end = end + Math.min(MOST, end);
    this.#able = this.reserver.reserve(start, this.#end);
  }

  /**
   * [size, end) is about to become part of the file without being written: a hole. A file in which holes are made gets no
   * more space ahead, or most of it would have to be given back at once.
   *
   * Writes that are under way may end beyond what the system takes for the file's size: so it is made to contain the hole
   * first, for only within a file can one be made, and what lies behind waits for the end.
   */
  skip(size: number, end: number): void {
    const stop = Math.min(end, this.#end);
    if (stop - size < GAP) return;
    this.reserver.resize(end);
    this.reserver.punch(size, stop);
    this.#able = false;
  }

  /** The file was cut, if only to the size that it had: nothing lies beyond its end any more. */
  truncated(): void {
    this.#end = 0;
  }

  /**
   * Gives back what lies beyond the file's `size` bytes, once nothing is being written any more; throws an `ImageError` if the
   * system does not take it.
   */
  release(size: number): void {
    const isThere = this.#end > size;
    this.#end = 0;
    if (isThere) this.reserver.resize(size);
  }
}
