/** Storage in memory: for tests, small images, and as the smallest complete example of the contract. */
import { ImageError } from '../errors.js';
import type { ByteStore } from './storage.js';

export class MemoryStore implements ByteStore {
  readonly readsZero = true;
  readonly transfer = 256 * 1024;
  #bytes: Uint8Array;
  #size: number;

  constructor(
    readonly name: string,
    content: Uint8Array = new Uint8Array(0),
  ) {
    this.#bytes = content;
    this.#size = content.length;
  }

  get size(): number {
    return this.#size;
  }

  /** The content, without a copy; valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }

  read(offset: number, into: Uint8Array): void {
    if (offset + into.length > this.#size)
      throw new ImageError('io', 'Input/output error', { file: this.name, offset });
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#grow(offset + bytes.length);
    this.#bytes.set(bytes, offset);
  }

  zero(offset: number, length: number): void {
    this.#grow(offset + length);
    this.#bytes.fill(0, offset, offset + length);
  }

  async truncate(size: number): Promise<void> {
    if (size < this.#size) this.#bytes.fill(0, size, this.#size);
    this.#grow(size);
    this.#size = size;
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}

  #grow(size: number): void {
    if (size <= this.#size) return;
    if (size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#size = size;
  }
}
