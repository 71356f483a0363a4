/** Opens storage through protocols, under the policy for what images name, and closes all of it in the end. */
import { ImageError } from '../errors.js';
import type { ByteSource, ByteStore } from '../storage/storage.js';
import type { Access, Address, OpenStorage, Platform, Protocol } from './platform.js';
import { ReferencePolicy } from './policy.js';

/** Text of a file that options name: more than anybody writes by hand. */
const LARGEST_TEXT = 1024 * 1024;

export class StorageOpener {
  readonly #policy: ReferencePolicy;
  readonly #opened: OpenStorage[] = [];
  /** What unpacked files are kept in. */
  readonly #scratch: ByteStore[] = [];

  constructor(platform: Platform, allowExternal: boolean) {
    this.#policy = new ReferencePolicy(platform, allowExternal);
  }

  /**
   * Throws what the protocol throws; `external` for what is out of bounds.
   *
   * @param byUser the user named it, not an image
   */
  async open(protocol: Protocol, address: Address, access: Access, byUser: boolean): Promise<OpenStorage> {
    await (byUser ? this.#policy.admit(protocol, address) : this.#policy.check(protocol, address));
    const storage = await protocol.open(address, access);
    this.#opened.push(storage);
    return storage;
  }

  /** Shows a file to `look` that an image may mean; null: it must not be opened, or cannot. Throws what `look` throws. */
  async glanceAt<T>(
    protocol: Protocol,
    name: string,
    signal: AbortSignal | undefined,
    look: (source: ByteSource) => Promise<T>,
  ): Promise<T | null> {
    const access = { mode: 'read', cache: 'writeback', share: true, glance: true, signal } as const;
    let storage: OpenStorage;
    try {
      await this.#policy.check(protocol, name);
      storage = await protocol.open(name, access);
    } catch (error) {
      if (error instanceof ImageError && error.code !== 'aborted') return null;
      throw error;
    }
    try {
      return await look(storage.store);
    } finally {
      await storage.store.close();
    }
  }

  /** The text of a file. Throws `invalid` if it is too long for one. */
  async readText(protocol: Protocol, name: string, byUser: boolean): Promise<string> {
    const { store } = await this.open(protocol, name, { mode: 'read', cache: 'writeback', share: true }, byUser);
    if (store.size > LARGEST_TEXT) throw new ImageError('invalid', 'File too large', { file: name });
    const bytes = new Uint8Array(store.size);
    await store.read(0, bytes);
    return new TextDecoder().decode(bytes);
  }

  /** Scratch storage, to be closed with all the rest. */
  keep(store: ByteStore): void {
    this.#scratch.push(store);
  }

  /** Takes back what was created; before `close`. */
  discard(): void {
    for (const storage of this.#opened) storage.discard?.();
  }

  /** Closes everything, and throws what the first failure was. */
  async close(): Promise<void> {
    const stores = [...this.#opened.splice(0).map(({ store }) => store), ...this.#scratch.splice(0)];
    const results = await Promise.allSettled(stores.map((store) => store.close()));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}
