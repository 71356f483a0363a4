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

/**
 * Waits until all of `work` has ended, also when some of it fails, and then throws the first failure: nobody writes
 * into the caller's memory afterwards.
 */
export function allSettled(work: readonly MaybePromise<void>[]): MaybePromise<void> {
  const pending = work.filter(isPending);
  if (pending.length < 2) return pending[0];
  return Promise.allSettled(pending).then((results) => {
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  });
}
