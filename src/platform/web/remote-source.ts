/** Files on web servers as storage, through a worker that may reach them: see there why. */
import * as Comlink from 'comlink';
import { ImageError } from '../../errors.js';
import type { RemoteFile } from '../net/http/remote-file.js';
import { HttpSource } from '../net/http/source.js';
import { type Helper, type HelperHost, startHelper } from './helpers.js';
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

/** What `openRemote` found, read through `remote`. */
export function remoteSource(file: RemoteFile, name: string, remote: Remote): HttpSource {
  return new HttpSource(name, file.size, async (offset, into) => {
    into.set(await remote.call((api) => api.read(file, offset, into.length)));
  });
}
