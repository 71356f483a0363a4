/** The page's side of its engines' workers: see `helpers.ts`. */
import type { HelperHost, HelperKind } from './helpers.js';

/** The workers of one engine. */
export class PageHelpers implements HelperHost {
  readonly #workers = new Map<string, Worker>();

  start(kind: HelperKind, name: string, port: MessagePort): Promise<string> {
    const worker = create(kind, name);
    this.#workers.set(name, worker);
    worker.postMessage(port, [port]);
    return new Promise((resolve) => {
      worker.addEventListener('error', ({ message }) => resolve(message || 'it could not be loaded'));
    });
  }

  stop(name: string): void {
    this.#workers.get(name)?.terminate();
    this.#workers.delete(name);
  }

  stopAll(): void {
    for (const name of [...this.#workers.keys()]) this.stop(name);
  }
}

/** Bundlers look for exactly this form. */
function create(kind: HelperKind, name: string): Worker {
  return kind === 'kernel'
    ? new Worker(new URL('./kernel-worker.ts', import.meta.url), { type: 'module', name })
    : new Worker(new URL('./remote-worker.ts', import.meta.url), { type: 'module', name });
}
