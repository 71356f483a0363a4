/** How fast it goes, and how long it still takes: by what the last seconds were like. */

export interface PaceReading {
  /** Bytes a second; null: too early to say. */
  rate: number | null;
  /** Seconds; null: too early to say. */
  left: number | null;
}

/** Milliseconds that count. */
const WINDOW_MS = 8000;
/** Milliseconds before anything is said. */
const EARLIEST_MS = 800;
/** A longer silence was a pause: what was before does not count. */
const PAUSE_MS = 3000;

export class Pace {
  #samples: { at: number; done: number }[] = [];

  /** Notes how much is done, and tells the pace. `now`: milliseconds. */
  read(done: number, total: number, now: number = performance.now()): PaceReading {
    const last = this.#samples.at(-1);
    if (last !== undefined && now - last.at > PAUSE_MS) this.#samples = [];
    this.#samples.push({ at: now, done });
    while (now - this.#samples[0]!.at > WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    const elapsed = now - first.at;
    if (elapsed < EARLIEST_MS || done === first.done) return { rate: null, left: null };
    const rate = (1000 * (done - first.done)) / elapsed;
    return { rate, left: (total - done) / rate };
  }
}
