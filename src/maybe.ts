/**
 * Work that may be done at once.
 *
 * A read that hits a cache, or a placement that only changes tables in memory, has nothing to wait for; a promise for
 * it costs an allocation and a turn of the queue. Such functions return `MaybePromise<T>`: a plain value when the
 * work is done, a promise when it is not. `await` takes both; code that runs once a cluster tests with `isPending`.
 */
export type MaybePromise<T> = T | Promise<T>;

export function isPending<T>(value: MaybePromise<T>): value is Promise<T> {
  return value instanceof Promise;
}

/** What was begun of some work, piece by piece. */
export class Gathering {
  readonly #pending: Promise<void>[] = [];

  /** Takes a piece that has been begun. */
  add(piece: MaybePromise<void>): void {
    if (!isPending(piece)) return;
    // it may fail before anybody waits for it, which would end the program
    piece.catch(() => {});
    this.#pending.push(piece);
  }

  /** Waits until all pieces have ended, also when some of them fail, and then throws the first failure. */
  end(): MaybePromise<void> {
    const pending = this.#pending;
    if (pending.length < 2) return pending[0];
    return Promise.allSettled(pending).then((results) => {
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    });
  }

  /** No more pieces can be begun: when all that were have ended, throws what the first of them did, or else `error`. */
  fail(error: unknown): Promise<never> {
    const rethrow = () => {
      throw error;
    };
    if (this.#pending.length === 0) rethrow();
    return Promise.resolve(this.end()).then(rethrow);
  }
}

/**
 * Waits until all has ended that `begin` begins, also when some of it fails, or `begin` itself does, and then throws the
 * first failure: nobody writes into the caller's memory afterwards.
 */
export function gather(begin: (work: Gathering) => MaybePromise<void>): MaybePromise<void> {
  const work = new Gathering();
  let begun: MaybePromise<void>;
  try {
    begun = begin(work);
  } catch (error) {
    return work.fail(error);
  }
  if (isPending(begun))
    return begun.then(
      () => work.end(),
      (error) => work.fail(error),
    );
  return work.end();
}
