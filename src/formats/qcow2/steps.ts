/**
 * Work that waits only where it must.
 *
 * Placing a run walks several tables, and each of them is in memory nearly always. Written with `await` the walk would
 * cost a turn of the queue at every table; written twice, once for memory and once for storage, it could not be kept
 * right. So it is written once, as a generator that yields a promise only where there is one to wait for:
 *
 *     const page = yield* settle(tables.page(offset));
 *
 * and `perform` runs it: to its end at once if nothing was pending, as a promise if something was.
 */
import { isPending, type MaybePromise } from '../../maybe.js';

/** Yields what it waits for and returns a `T`. */
export type Steps<T> = Generator<Promise<unknown>, T, void>;

/** The value of `result`, after waiting for it if it is pending. */
export function* settle<T>(result: MaybePromise<T>): Steps<T> {
  if (!isPending(result)) return result;
  let settled: { value: T } | undefined;
  yield result.then((value) => {
    settled = { value };
  });
  return settled!.value;
}

/** Runs the steps; a plain value if none of them had to wait. */
export function perform<T>(steps: Steps<T>): MaybePromise<T> {
  const first = steps.next();
  return first.done ? first.value : finishLater(steps, first.value);
}

async function finishLater<T>(steps: Steps<T>, pending: Promise<unknown>): Promise<T> {
  let waitFor = pending;
  for (;;) {
    let next: IteratorResult<Promise<unknown>, T>;
    try {
      await waitFor;
      next = steps.next();
    } catch (error) {
      // Lets the generator's `finally` blocks run before the failure leaves.
      next = steps.throw(error);
    }
    if (next.done) return next.value;
    waitFor = next.value;
  }
}
