/**
 * Where a table lies in a hole of its file it need not be read: it is zeros.
 *
 * Of the storage's answers the latest is kept, for tables are walked from front to back. A storage that has to wait for
 * its answer is not asked again: reading the table costs no more.
 */
import { isPending } from '../maybe.js';
import type { ByteSource } from './storage.js';

/** Bytes that are asked for at once; bounds what a finely fragmented file costs. */
const REACH = 64 * 1024;

export class KnownHole {
  /** [start, end) is a hole, or is not. */
  #latest = { start: 0, end: 0, hole: false };
  #answersAtOnce: boolean;

  constructor(private readonly source: ByteSource) {
    this.#answersAtOnce = source.extents !== undefined;
  }

  /** End of the hole that holds byte `at`; `at` itself if that is not known to lie in one. */
  endAt(at: number): number {
    const { start, end, hole } = this.#latest;
    return hole && at >= start && at < end ? end : at;
  }

  /** As `endAt`, but asks the storage if nothing is known of `at`. */
  find(at: number): number {
    const { start, end } = this.#latest;
    const isKnown = at >= start && at < end;
    if (!isKnown && this.#answersAtOnce && at < this.source.size) this.#ask(at);
    return this.endAt(at);
  }

  #ask(at: number): void {
    const answer = this.source.extents!(at, Math.min(REACH, this.source.size - at));
    this.#answersAtOnce = !isPending(answer);
    if (isPending(answer)) {
      answer.catch(() => {});
      return;
    }
    const { start, length, hole } = answer[0]!;
    this.#latest = { start, end: start + length, hole };
  }
}
