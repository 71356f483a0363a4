/** A file on a web server as storage: small reads go through windows. */
import { ImageError } from '../../../errors.js';
import type { MaybePromise } from '../../../maybe.js';
import { ReadWindows } from '../../../storage/read-windows.js';
import type { ByteSource } from '../../../storage/storage.js';

export class HttpSource implements ByteSource {
  /** A request costs a journey there and back; more than this in one piece would only make progress coarse. */
  readonly transfer = 2 * 1024 * 1024;
  readonly #windows: ReadWindows;

  /** `size` in bytes; `fetch` fills all of `into` from `offset`, or throws. */
  constructor(
    readonly name: string,
    readonly size: number,
    fetch: (offset: number, into: Uint8Array) => Promise<void>,
  ) {
    this.#windows = new ReadWindows(fetch);
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
