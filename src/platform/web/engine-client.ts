/** A page's end of an engine worker: started for one task, ended with it, and missed if it dies. */
import * as Comlink from 'comlink';
import { ImageError, throwIfAborted } from '../../errors.js';
import type { HelperHost } from './helpers.js';
import { lifelineCut } from './lifeline.js';
import { PageHelpers } from './page-helpers.js';
import type { EngineApi } from './protocol.js';
import { type Reply, unwrap } from './reply.js';

/** Stops and goes on: what has it does not read while it is held. */
export class Hold {
  #held = false;
  readonly #listeners = new Set<(held: boolean) => void>();

  get held(): boolean {
    return this.#held;
  }

  set held(held: boolean) {
    this.#held = held;
    for (const tell of this.#listeners) tell(held);
  }

  /** Tells the present state at once and every change from then on; returns how to stop that. */
  follow(tell: (held: boolean) => void): () => void {
    this.#listeners.add(tell);
    if (this.#held) tell(true);
    return () => this.#listeners.delete(tell);
  }
}

export interface TaskOptions {
  signal?: AbortSignal | undefined;
  hold?: Hold | undefined;
}

/** Milliseconds that a cancelled task has to clean up in. */
const CLEANUP_MS = 10_000;

/** Runs `task` in a worker of its own. Throws what it throws, `aborted`, and `io` if the worker dies. */
export async function runInEngine<T>(
  task: (engine: Comlink.Remote<EngineApi>) => Promise<Reply<T>>,
  { signal, hold }: TaskOptions = {},
): Promise<T> {
  throwIfAborted(signal);
  const worker = new Worker(new URL('./engine-worker.ts', import.meta.url), {
    type: 'module',
    name: 'diskloom engine',
  });
  const engine = Comlink.wrap<EngineApi>(worker);
  const helpers = new PageHelpers();
  const ended = new AbortController();
  const cancelled = new Promise<never>((_, reject) => {
    const cancel = () => {
      void engine.cancel();
      setTimeout(() => reject(cancellation()), CLEANUP_MS);
    };
    signal?.addEventListener('abort', cancel, { signal: ended.signal });
  });
  const release = hold?.follow((held) => void engine.hold(held));
  try {
    void engine.begin(Comlink.proxy(helpers) as unknown as Comlink.Remote<HelperHost>);
    const reply = await Promise.race([task(engine), deathOf(worker, engine, ended.signal), cancelled]);
    // What had to end says so in many ways.
    if ('error' in reply && reply.error.code === 'aborted') throw cancellation();
    return unwrap(reply);
  } finally {
    release?.();
    ended.abort();
    worker.terminate();
    helpers.stopAll();
  }
}

function cancellation(): ImageError {
  return new ImageError('aborted', 'The operation was cancelled');
}

/** Rejects when the worker cannot be loaded, throws outside of a call, or is gone. */
async function deathOf(worker: Worker, engine: Comlink.Remote<EngineApi>, ended: AbortSignal): Promise<never> {
  const failed = new Promise<string>((resolve) => {
    worker.addEventListener('error', (event) => resolve(event.message || 'it could not be loaded'));
  });
  const name = `diskloom engine ${crypto.randomUUID()}`;
  const gone = engine
    .live(name)
    .then(() => lifelineCut(name, ended))
    .then(() => 'the browser ended it');
  throw new ImageError('io', `The engine worker has died: ${await Promise.race([failed, gone])}`);
}
