/** Where new blocks go: one after the other behind all that is in the file, each on a boundary of 1 MiB. */
import { roundUp } from '../../bytes.js';
import type { ByteStore } from '../../storage/storage.js';
import { MIB } from './layout.js';

export class BlockSpace {
  #end: number;

  /** `end`: behind the last byte in use; from there on a file reads as zeros when it grows. */
  constructor(
    private readonly store: ByteStore,
    end: number,
  ) {
    this.#end = end;
  }

  /** Bytes that the file has, or will have once all is written. */
  get end(): number {
    return this.#end;
  }

  /** The place of a new block of `length` bytes, which reads as zeros. */
  async take(length: number): Promise<number> {
    const offset = roundUp(this.#end, MIB);
    const known = this.store.size;
    // What exists already, on a device or behind a file's blocks, may hold anything.
    if (offset < known) await this.store.zero(offset, Math.min(length, known - offset));
    this.#end = offset + length;
    return offset;
  }

  /** Gives the file its length. */
  async settle(): Promise<void> {
    if (this.store.size < this.#end) await this.store.truncate(this.#end);
  }
}
