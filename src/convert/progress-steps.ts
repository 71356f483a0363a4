/**
 * When progress is told.
 *
 * Two ways: by the offset that the copy has reached, in steps of some MiB; or as `qemu-img -p` does it, whose output
 * scripts compare, by the data that are copied, with a step for each of its requests. For the latter the source's whole
 * map is walked before the copy begins.
 */
import type { Image } from '../image/image.js';
import { type StatusRules, statusOf } from './plan.js';

/** Bytes done, of all. */
type Listener = (done: number, total: number) => void;

/** What `qemu-img` copies at once, bytes. */
export const REQUEST = 2 * 1024 * 1024;

/** Steps that are kept at most; where there are more, some of those that lie close together are left out. */
const MOST_STEPS = 65536;

export interface ProgressSteps {
  /** A run is done that ends at `end` and holds `data` bytes of data. Runs may be done in any order. */
  done(end: number, data: number): void;
  /** All is done. */
  finish(): void;
}

/** Guest bytes: what is told only grows. */
export class OffsetSteps implements ProgressSteps {
  #told = 0;

  constructor(
    private readonly size: number,
    private readonly listener: Listener,
  ) {}

  done(end: number): void {
    if (end <= this.#told || (end < this.size && end - this.#told < REQUEST)) return;
    this.#told = end;
    this.listener(end, this.size);
  }

  finish(): void {
    this.listener(this.size, this.size);
  }
}

/** Bytes of data. */
export class DataSteps implements ProgressSteps {
  #done = 0;
  #next = 0;

  private constructor(
    /** Ascending; the last is the total. */
    private readonly steps: readonly number[],
    private readonly listener: Listener,
  ) {}

  /** @param request bytes that are copied at once */
  static async of(source: Image, rules: StatusRules, request: number, listener: Listener): Promise<DataSteps> {
    let steps: number[] = [];
    let total = 0;
    let closest = 0;
    for (let at = 0; at < source.size; ) {
      for (const extent of await source.extents(at, source.size - at)) {
        at = extent.start + extent.length;
        if (statusOf(extent, rules) !== 'data') continue;
        for (let left = extent.length; left > 0; left -= request) {
          total += Math.min(left, request);
          if (total - (steps.at(-1) ?? 0) >= closest) steps.push(total);
        }
      }
      if (steps.length > MOST_STEPS) {
        closest = (4 * total) / MOST_STEPS;
        steps = thinned(steps, closest);
      }
    }
    if (total > 0 && steps.at(-1) !== total) steps.push(total);
    return new DataSteps(steps, listener);
  }

  done(_end: number, data: number): void {
    this.#done += data;
    for (; this.#next < this.steps.length && this.steps[this.#next]! <= this.#done; this.#next++)
      this.listener(this.steps[this.#next]!, this.#total);
  }

  /** The last step told the total. */
  finish(): void {}

  get #total(): number {
    return this.steps.at(-1)!;
  }
}

/** Those that lie at least `distance` behind the one before that is kept. */
function thinned(steps: readonly number[], distance: number): number[] {
  let last = 0;
  return steps.filter((step) => {
    if (step - last < distance) return false;
    last = step;
    return true;
  });
}
