/**
 * A page's end of an engine worker: started for one task, or a moment before it, ended with it, and missed if it dies.
 */
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
  /** The task needs all kernels: the engine that waits with them is the one for it. */
  takesPrepared?: boolean;
}

/** Milliseconds that a cancelled task has to clean up in. */
const CLEANUP_MS = 10_000;

/** A worker with the workers that it needs. */
class EngineProcess {
  readonly api: Comlink.Remote<EngineApi>;
  /** Rejects when it dies. */
  readonly death: Promise<never>;
  readonly #worker: Worker;
  readonly #helpers = new PageHelpers();
  readonly #ended = new AbortController();

  constructor() {
    this.#worker = new Worker(new URL('./engine-worker.ts', import.meta.url), {
      type: 'module',
      name: 'diskloom engine',
    });
    this.api = Comlink.wrap<EngineApi>(this.#worker);
    void this.api.begin(Comlink.proxy(this.#helpers) as unknown as Comlink.Remote<HelperHost>);
    this.death = deathOf(this.#worker, this.api, this.#ended.signal);
    // Nobody may be waiting for it.
    this.death.catch(() => {});
  }

  end(): void {
    this.#ended.abort();
    this.#worker.terminate();
    this.#helpers.stopAll();
  }
}

let prepared: EngineProcess | null = null;

/** Starts the engine of the next conversion, and its kernels, so that it begins at once. */
export function prepareEngine(): void {
  if (prepared !== null) return;
  const engine = new EngineProcess();
  prepared = engine;
  engine.death.catch(() => {
    if (prepared !== engine) return;
    prepared = null;
    engine.end();
  });
  void engine.api.warmUp();
}

function takePrepared(): EngineProcess | null {
  const engine = prepared;
  prepared = null;
  return engine;
}

/** Runs `task` in a worker of its own. Throws what it throws, `aborted`, and `io` if the worker dies. */
export async function runInEngine<T>(
  task: (engine: Comlink.Remote<EngineApi>) => Promise<Reply<T>>,
  { signal, hold, takesPrepared = false }: TaskOptions = {},
): Promise<T> {
  throwIfAborted(signal);
  const engine = (takesPrepared ? takePrepared() : null) ?? new EngineProcess();
  const ended = new AbortController();
  const cancelled = new Promise<never>((_, reject) => {
    const cancel = () => {
      void engine.api.cancel();
      setTimeout(() => reject(cancellation()), CLEANUP_MS);
    };
    signal?.addEventListener('abort', cancel, { signal: ended.signal });
  });
  const release = hold?.follow((held) => void engine.api.hold(held));
  try {
    const reply = await Promise.race([task(engine.api), engine.death, cancelled]);
    // What had to end says so in many ways.
    if ('error' in reply && reply.error.code === 'aborted') throw cancellation();
    return unwrap(reply);
  } finally {
    release?.();
    ended.abort();
    engine.end();
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
