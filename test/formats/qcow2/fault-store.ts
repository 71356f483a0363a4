/** A storage that breaks: from the nth change on nothing gets through, as after a crash or on a full disk. */
import { ImageError } from '../../../src/errors.js';
import { MemoryStore } from '../../../src/storage/memory.js';

export class FaultStore extends MemoryStore {
  /** Changes so far: writes, zeros, truncations. */
  changes = 0;
  /** The first change that fails. */
  breaksAt = Number.POSITIVE_INFINITY;
  /** Offsets of the writes, in order. */
  readonly written: { offset: number; length: number }[] = [];

  override write(offset: number, bytes: Uint8Array): void {
    this.#change();
    this.written.push({ offset, length: bytes.length });
    super.write(offset, bytes);
  }

  override zero(offset: number, length: number): void {
    this.#change();
    super.zero(offset, length);
  }

  override async truncate(size: number): Promise<void> {
    this.#change();
    await super.truncate(size);
  }

  #change(): void {
    if (++this.changes >= this.breaksAt)
      throw new ImageError('no-space', 'No space left on device', { file: this.name });
  }
}
