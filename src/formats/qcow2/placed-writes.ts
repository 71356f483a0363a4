/** The writes that were placed and have not ended. */
import type { PendingWrite } from '../../image/image.js';
import { isPending, type MaybePromise } from '../../maybe.js';

export class PlacedWrites {
  #count = 0;
  #onIdle: (() => void) | null = null;
  #failure: unknown;

  /** A write that has its place; it is to be called once. */
  add(write: () => MaybePromise<void>): PendingWrite {
    this.#count++;
    return () => this.#land(write);
  }

  /** From now on tables may refer to what is not there: they must never get to the file. */
  fail(error: unknown): never {
    this.#failure ??= error;
    throw error;
  }

  /** Waits until all have ended. Throws what the first failure was. */
  async settled(): Promise<void> {
    if (this.#count > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      this.#onIdle = null;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #land(write: () => MaybePromise<void>): MaybePromise<void> {
    let written: MaybePromise<void>;
    try {
      written = write();
    } catch (error) {
      this.#crashed(error);
    }
    if (isPending(written)) {
      return written.then(
        () => this.#landed(),
        (error) => this.#crashed(error),
      );
    }
    this.#landed();
  }

  #landed(): void {
    if (--this.#count === 0) this.#onIdle?.();
  }

  #crashed(error: unknown): never {
    this.#landed();
    this.fail(error);
  }
}
