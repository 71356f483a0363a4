/**
 * Where `qemu-img convert` would have begun a new write.
 *
 * It copies each stretch of source data in portions of 2 MiB, counted from the stretch's beginning, and asks for the
 * source's status in stretches of less than 2 GiB. The portions show in the layout, in small ways: clusters of one
 * request lie side by side, and refcount blocks go between requests. Runs come in other portions than that, so the grid
 * says, for every run, where requests begin in it and whether its first bytes continue the last request.
 */
import type { PreparedRun } from '../../image/image.js';

/** Bytes of the buffer that each portion is copied through. */
const PORTION = 2 * 1024 * 1024;
/** Bytes of the longest stretch that is asked for at once: whole sectors below 2^31. */
const STRETCH = 2 ** 31 - 512;

/** Guest bytes [start, end), all of one request. */
export interface RequestPart {
  start: number;
  end: number;
  /** The bytes before `start` belong to the same request, and so does what was placed last if it ended there. */
  continues: boolean;
  /** Where the request's data is expected to end, by what is known of the source: at `end` or behind it. */
  expectedEnd: number;
}

export class RequestGrid {
  /** Where the stretch of source data begins that is being copied. */
  #stretch = 0;
  /** Where the last run ended. */
  #end = -1;
  /** Where the source's data is known to end that the last run ended in. */
  #extentEnd = -1;
  #starts: readonly number[] = [];

  /** A run begins at `offset`; unless told otherwise, runs that follow each other lie in one stretch of data. */
  startRun({ offset, length, extentStarts, extentEnd }: PreparedRun): void {
    if (offset !== this.#end && extentStarts === undefined) this.#stretch = offset;
    this.#starts = extentStarts ?? [];
    this.#end = offset + length;
    this.#extentEnd = extentEnd ?? this.#end;
  }

  /** Splits [start, end), a part of the run that is under way, at the boundaries of requests. */
  *split(start: number, end: number): Generator<RequestPart> {
    let at = start;
    while (at < end) {
      const begin = this.#requestAt(at);
      const stop = Math.min(end, this.#endOf(begin), this.#nextStretch(at));
      const expectedEnd = stop === this.#end ? Math.max(stop, Math.min(this.#endOf(begin), this.#extentEnd)) : stop;
      yield { start: at, end: stop, continues: begin < at, expectedEnd };
      at = stop;
    }
  }

  /** Where the request begins that `at` lies in. */
  #requestAt(at: number): number {
    for (const start of this.#starts) if (start <= at && start > this.#stretch) this.#stretch = start;
    const stretch = at - ((at - this.#stretch) % STRETCH);
    return at - ((at - stretch) % PORTION);
  }

  #endOf(begin: number): number {
    const stretch = begin - ((begin - this.#stretch) % STRETCH);
    return Math.min(begin + PORTION, stretch + STRETCH);
  }

  #nextStretch(at: number): number {
    return this.#starts.find((start) => start > at) ?? Number.POSITIVE_INFINITY;
  }
}
