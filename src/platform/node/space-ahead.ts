/** Space reserved ahead of the end of a file that grows. */
import { LEAST, MOST, type Reserver } from './reserver.js';

/**
 * A gap of so many bytes is one that is meant to be a hole. Shorter ones may be tables that follow: what of them has not been
 * written in the end becomes a hole then.
 */
const GAP = 256 * 1024;
/** A file with more short gaps than this has holes everywhere, and gets no more space ahead. */
const MANY_GAPS = 64;

/** Bytes [start, end) of the file. */
interface Range {
  start: number;
  end: number;
}

export class SpaceAhead {
  /** End of the reserved space; up to the file's own end none is. */
  #end = 0;
  #able = true;
  /** Reserved, passed over, and not written so far; ascending. */
  #gaps: Range[] = [];

  constructor(private readonly reserver: Reserver) {}

  /** A file of `size` bytes is about to be written at [offset, end), beyond its size. */
  prepare(size: number, offset: number, end: number): void {
    this.skip(size, offset);
    if (!this.#able || end <= this.#end || end < LEAST) return;
    const start = Math.max(this.#end, offset);
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
    if (stop <= size) return;
    if (stop - size < GAP) {
      this.#gaps.push({ start: size, end: stop });
      if (this.#gaps.length > MANY_GAPS) this.#able = false;
      return;
    }
    this.reserver.resize(end);
    this.reserver.punch(size, stop);
    this.#able = false;
  }

  /** [start, end) is about to be written, within the file. To be told of all that is: a gap is given back whatever it holds. */
  fill(start: number, end: number): void {
    const last = this.#gaps.at(-1);
    if (last === undefined || start >= last.end) return;
    this.#gaps = this.#gaps.flatMap((gap) => without(gap, start, end));
  }

  /** The file was cut, if only to the size that it had: nothing lies beyond its end any more. */
  truncated(): void {
    this.#end = 0;
    this.#gaps = [];
  }

  /**
   * Gives back what lies beyond the file's `size` bytes and in gaps, once nothing is being written any more; throws an
   * `ImageError` if the system does not take it.
   */
  release(size: number): void {
    const isThere = this.#end > size;
    this.#end = 0;
    if (isThere) this.reserver.resize(size);
    for (const { start, end } of this.#gaps.splice(0)) this.reserver.punch(start, end);
  }
}

/** What is left of `gap`. */
function without(gap: Range, start: number, end: number): Range[] {
  if (end <= gap.start || start >= gap.end) return [gap];
  const rests = [
    { start: gap.start, end: start },
    { start: end, end: gap.end },
  ];
  return rests.filter((rest) => rest.start < rest.end);
}
