/** Work on a disk that runs concurrently and counts in the order of the disk. */

/** Work under way. */
interface Flight<S, R> {
  step: S;
  result: Promise<R>;
}

/**
 * Works on up to `limit` steps at a time and hands over the results in the order of the steps, one after the other.
 *
 * @param land returns false to end it: nothing new starts then
 * @throws what `steps`, `work` or `land` throws first, in that order of the steps; all that was begun has ended then
 */
export async function inOrder<S, R>(
  steps: AsyncIterable<S>,
  limit: number,
  work: (step: S) => Promise<R>,
  land: (result: R, step: S) => boolean | Promise<boolean>,
): Promise<void> {
  const flights: Flight<S, R>[] = [];
  const landNext = async () => {
    const { step, result } = flights.shift()!;
    return land(await result, step);
  };
  try {
    for await (const step of steps) {
      const result = work(step);
      // a failure is told when it is this step's turn
      result.catch(() => {});
      flights.push({ step, result });
      if (flights.length >= limit && !(await landNext())) return;
    }
    while (flights.length > 0) if (!(await landNext())) return;
  } finally {
    await Promise.allSettled(flights.map(({ result }) => result));
  }
}
