/**
 * Storage behind encryption: what is written is encrypted, what is read decrypted.
 *
 * A request that does not end on sectors reads the sectors at its ends; such writes wait for each other, so that two of
 * them in one sector do not undo each other.
 */
import { roundDown, roundUp } from '../bytes.js';
import { CRYPT_SECTOR } from '../crypto/modes.js';
import type { SectorCipher } from '../crypto/sector-cipher.js';
import { isPending, type MaybePromise } from '../maybe.js';
import type { ByteSource, ByteStore } from '../storage/storage.js';

/** Zeros are encrypted and written so many bytes at once. */
const ZERO_PIECE = 256 * 1024;

/** Reading alone. */
export class DecryptedSource implements ByteSource {
  constructor(
    protected readonly source: ByteSource,
    protected readonly cipher: SectorCipher,
    /** Byte of `source` at which the first encrypted sector lies, whole sectors. */
    protected readonly base = 0,
  ) {}

  get name(): string {
    return this.source.name;
  }

  /** Whole sectors: what is missing in the last one counts as zeros before decryption. */
  get size(): number {
    return roundUp(Math.max(0, this.source.size - this.base), CRYPT_SECTOR);
  }

  get transfer(): number {
    return this.source.transfer;
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    const start = roundDown(offset, CRYPT_SECTOR);
    const end = roundUp(offset + into.length, CRYPT_SECTOR);
    if (end - start === into.length) return this.#readSectors(offset, into);
    const sectors = new Uint8Array(end - start);
    const copy = () => into.set(sectors.subarray(offset - start, offset - start + into.length));
    const pending = this.#readSectors(start, sectors);
    return isPending(pending) ? pending.then(copy) : copy();
  }

  close(): Promise<void> {
    return this.source.close();
  }

  #readSectors(offset: number, into: Uint8Array): MaybePromise<void> {
    const stored = Math.max(0, Math.min(into.length, this.source.size - this.base - offset));
    if (into.length - stored < CRYPT_SECTOR) into.fill(0, stored);
    const part = into.length - stored < CRYPT_SECTOR ? into.subarray(0, stored) : into;
    const decrypt = () => this.cipher.decrypt(into, into, offset / CRYPT_SECTOR);
    const pending = this.source.read(this.base + offset, part);
    return isPending(pending) ? pending.then(decrypt) : decrypt();
  }
}

export class EncryptedStore extends DecryptedSource implements ByteStore {
  /** What was never written decrypts to noise. */
  readonly readsZero = false;
  #edges: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: ByteStore,
    cipher: SectorCipher,
    base = 0,
  ) {
    super(store, cipher, base);
  }

  write(offset: number, bytes: Uint8Array): MaybePromise<void> {
    if (offset % CRYPT_SECTOR === 0 && bytes.length % CRYPT_SECTOR === 0) return this.#writeSectors(offset, bytes);
    const written = this.#edges.then(() => this.#writePart(offset, bytes));
    this.#edges = written.catch(() => {});
    return written;
  }

  async zero(offset: number, length: number): Promise<void> {
    const zeros = new Uint8Array(Math.min(length, ZERO_PIECE));
    for (let at = offset; at < offset + length; at += zeros.length)
      await this.write(at, zeros.subarray(0, Math.min(zeros.length, offset + length - at)));
  }

  truncate(size: number): Promise<void> {
    return this.store.truncate(this.base + size);
  }

  flush(): Promise<void> {
    return this.store.flush();
  }

  #writeSectors(offset: number, bytes: Uint8Array): MaybePromise<void> {
    const encrypted = new Uint8Array(bytes.length);
    this.cipher.encrypt(bytes, encrypted, offset / CRYPT_SECTOR);
    return this.store.write(this.base + offset, encrypted);
  }

  async #writePart(offset: number, bytes: Uint8Array): Promise<void> {
    const start = roundDown(offset, CRYPT_SECTOR);
    const sectors = new Uint8Array(roundUp(offset + bytes.length, CRYPT_SECTOR) - start);
    await this.read(start, sectors);
    sectors.set(bytes, offset - start);
    await this.#writeSectors(start, sectors);
  }
}
