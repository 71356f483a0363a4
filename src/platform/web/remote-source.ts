/** Files on web servers as storage, through a worker that may reach them: see there why. */
import * as Comlink from 'comlink';
import { ImageError } from '../../errors.js';
import type { MaybePromise } from '../../maybe.js';
import type { ByteSource } from '../../storage/storage.js';
import type { RemoteFile } from '../net/http/remote-file.js';
import { type Helper, type HelperHost, startHelper } from './helpers.js';
import { ReadWindows } from './read-windows.js';
import type { RemoteApi } from './remote-worker.js';
import { type Reply, unwrap } from './reply.js';

/** A remote worker, until it dies or the signal fires: all calls that it has not answered then fail. */
export class Remote {
  readonly #helper: Helper;
  readonly #api: Comlink.Remote<RemoteApi>;
  /** Rejects the calls under way. */
  readonly #held = new Set<(error: ImageError) => void>();
  #end: ImageError | null = null;

  constructor(host: Comlink.Remote<HelperHost>, signal: AbortSignal) {
    this.#helper = startHelper(host, 'remote', ({ message }) =>
      this.#stop(new ImageError('io', `The worker that fetches has died: ${message}`)),
    );
    this.#api = Comlink.wrap<RemoteApi>(this.#helper.endpoint);
    const cancel = () => this.#stop(new ImageError('aborted', 'The operation was cancelled'));
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel);
  }

  /** Throws what the worker answers, `aborted` and, if it dies, `io`. */
  async call<T>(task: (api: Comlink.Remote<RemoteApi>) => Promise<Reply<T>>): Promise<T> {
    if (this.#end !== null) throw this.#end;
    return new Promise((resolve, reject) => {
      this.#held.add(reject);
      task(this.#api)
        .then((answer) => resolve(unwrap(answer)))
        .catch(reject)
        .finally(() => this.#held.delete(reject));
    });
  }

  #stop(error: ImageError): void {
    if (this.#end !== null) return;
    this.#end = error;
    this.#helper.stop();
    for (const reject of this.#held) reject(error);
  }
}

export class RemoteSource implements ByteSource {
  /** A request costs a journey there and back; more than this in one piece would only make progress coarse. */
  readonly transfer = 2 * 1024 * 1024;
  readonly size: number;
  readonly #windows: ReadWindows;

  constructor(
    file: RemoteFile,
    readonly name: string,
    remote: Remote,
  ) {
    this.size = file.size;
    this.#windows = new ReadWindows(async (offset, into) =>
      into.set(await remote.call((api) => api.read(file, offset, into.length))),
    );
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (offset < 0 || offset + into.length > this.size)
      throw new ImageError('io', 'Input/output error', { file: this.name, offset });
    if (into.length > 0) return this.#windows.read(offset, into, this.size);
  }

  async close(): Promise<void> {
    this.#windows.clear();
  }
}
