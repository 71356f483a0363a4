/** A file on a web server as storage, through a remote worker of its own: see there why. */
import * as Comlink from 'comlink';
import { ImageError, throwIfAborted } from '../../errors.js';
import type { MaybePromise } from '../../maybe.js';
import type { ByteSource } from '../../storage/storage.js';
import type { RemoteFile } from '../net/http/remote-file.js';
import { onDeath } from './lifeline.js';
import { ReadWindows } from './read-windows.js';
import type { RemoteApi } from './remote-worker.js';
import { type Reply, unwrap } from './reply.js';

/** A remote worker, until it is closed, dies, or the signal fires: all calls that it has not answered then fail. */
export class Remote {
  readonly #worker: Worker;
  readonly #api: Comlink.Remote<RemoteApi>;
  readonly #ended = new AbortController();
  /** Rejects the calls under way. */
  readonly #held = new Set<(error: ImageError) => void>();
  #end: ImageError | null = null;

  constructor(signal: AbortSignal) {
    throwIfAborted(signal);
    const name = `diskloom remote ${crypto.randomUUID()}`;
    this.#worker = new Worker(new URL('./remote-worker.ts', import.meta.url), { type: 'module', name });
    this.#api = Comlink.wrap<RemoteApi>(this.#worker);
    onDeath(this.#worker, name, this.#ended.signal, ({ message }) =>
      this.#stop(new ImageError('io', `The worker that fetches has died: ${message}`)),
    );
    signal.addEventListener('abort', () => this.close(), { signal: this.#ended.signal });
  }

  /** Asks a server for a file. */
  static async look(address: string, signal: AbortSignal): Promise<RemoteFile> {
    const remote = new Remote(signal);
    try {
      return await remote.call((api) => api.open(address));
    } finally {
      remote.close();
    }
  }

  /** Throws what the worker answers, `aborted` and, if it dies, `io`. */
  call<T>(task: (api: Comlink.Remote<RemoteApi>) => Promise<Reply<T>>): Promise<T> {
    if (this.#end !== null) throw this.#end;
    return new Promise((resolve, reject) => {
      this.#held.add(reject);
      task(this.#api)
        .then((answer) => resolve(unwrap(answer)))
        .catch(reject)
        .finally(() => this.#held.delete(reject));
    });
  }

  close(): void {
    this.#stop(new ImageError('aborted', 'The operation was cancelled'));
  }

  #stop(error: ImageError): void {
    if (this.#end !== null) return;
    this.#end = error;
    this.#ended.abort();
    this.#worker.terminate();
    for (const reject of this.#held) reject(error);
  }
}

export class RemoteSource implements ByteSource {
  /** A request costs a journey there and back; more than this in one piece would only make progress coarse. */
  readonly transfer = 2 * 1024 * 1024;
  readonly size: number;
  readonly #remote: Remote;
  readonly #windows: ReadWindows;

  constructor(
    file: RemoteFile,
    readonly name: string,
    signal: AbortSignal,
  ) {
    this.size = file.size;
    this.#remote = new Remote(signal);
    this.#windows = new ReadWindows(async (offset, into) =>
      into.set(await this.#remote.call((api) => api.read(file, offset, into.length))),
    );
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (offset < 0 || offset + into.length > this.size)
      throw new ImageError('io', 'Input/output error', { file: this.name, offset });
    if (into.length > 0) return this.#windows.read(offset, into, this.size);
  }

  async close(): Promise<void> {
    this.#windows.clear();
    this.#remote.close();
  }
}
