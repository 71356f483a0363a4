/**
 * Signals.
 *
 * SIGINT, SIGTERM and SIGHUP cancel the work; when it has cleaned up, the process dies by that very signal, so that
 * shells see 130, 143 and 129. A second one does not wait. SIGUSR1 asks for progress.
 */

const DEADLY = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
type Deadly = keyof typeof DEADLY;

/** Which signal has cancelled the work. */
export class Cancellation {
  readonly #controller = new AbortController();
  #signal: Deadly | null = null;
  readonly #listeners = new Map<NodeJS.Signals, () => void>();

  /** `onProgressWanted` is called for each SIGUSR1. */
  constructor(onProgressWanted: () => void) {
    for (const name of Object.keys(DEADLY) as Deadly[]) this.#listen(name, () => this.#cancel(name));
    this.#listen('SIGUSR1', onProgressWanted);
    if (process.platform === 'darwin' || process.platform === 'freebsd')
      this.#listen('SIGINFO' as NodeJS.Signals, onProgressWanted);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the listening; if a signal has come, the process ends with it. */
  finish(): void {
    for (const [name, listener] of this.#listeners) process.removeListener(name, listener);
    if (this.#signal !== null) dieBy(this.#signal);
  }

  #listen(name: NodeJS.Signals, listener: () => void): void {
    this.#listeners.set(name, listener);
    process.on(name, listener);
  }

  #cancel(name: Deadly): void {
    if (this.#signal !== null) dieBy(name);
    this.#signal = name;
    this.#controller.abort();
  }
}

function dieBy(name: Deadly): never {
  process.removeAllListeners(name);
  process.kill(process.pid, name);
  // The first process of a container does not die by signals that it sends itself.
  process.exit(128 + DEADLY[name]);
}
