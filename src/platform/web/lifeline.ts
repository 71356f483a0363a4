/**
 * Knowing that a worker is gone.
 *
 * A worker that the browser ends, for want of memory or otherwise, tells nobody: no event, and calls to it never
 * return. But it loses its locks. So each worker holds one of its own for as long as it lives, and whoever waits for it
 * asks for the same one.
 */

/** What a worker says, once it holds its lifeline, where nothing else can say it. */
export const LIVING = 'living';

/** In the worker: holds the lock until the end. Resolves once it is held. */
export function holdLifeline(name: string): Promise<void> {
  return new Promise((held, failed) => {
    if (navigator.locks === undefined) held();
    else navigator.locks.request(name, () => new Promise<never>(() => held())).catch(failed);
  });
}

/** Outside, once the worker holds it: resolves when the worker is gone. Give up waiting with `signal`. */
export async function lifelineCut(name: string, signal: AbortSignal): Promise<void> {
  if (navigator.locks === undefined) return new Promise(() => {});
  try {
    await navigator.locks.request(name, { signal }, () => {});
  } catch {
    // Nobody waits any more.
    return new Promise(() => {});
  }
}
