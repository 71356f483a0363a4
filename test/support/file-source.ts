/** Files for tests of formats: synchronous, counting, without any of the platform's cleverness. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ImageError } from '../../src/errors.js';
import type { ByteSource } from '../../src/storage/storage.js';

export class FileSource implements ByteSource {
  readonly transfer = 256 * 1024;
  readonly size: number;
  /** Reads so far, and their bytes. */
  reads = 0;
  bytesRead = 0;
  readonly #fd: number;

  constructor(readonly name: string) {
    this.#fd = openSync(name, 'r');
    this.size = fstatSync(this.#fd).size;
  }

  read(offset: number, into: Uint8Array): void {
    this.reads++;
    this.bytesRead += into.length;
    if (readSync(this.#fd, into, 0, into.length, offset) !== into.length)
      throw new ImageError('io', 'Input/output error', { file: this.name, offset });
  }

  async close(): Promise<void> {
    closeSync(this.#fd);
  }
}

/** The same with every read answered later, and in reverse order: what a network may do. */
export class LateSource implements ByteSource {
  readonly transfer: number;
  readonly name: string;
  readonly size: number;
  #waiting: (() => void)[] = [];

  constructor(private readonly source: ByteSource) {
    this.transfer = source.transfer;
    this.name = source.name;
    this.size = source.size;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        Promise.resolve()
          .then(() => this.source.read(offset, into))
          .then(resolve, reject);
      });
      if (this.#waiting.length === 1) setImmediate(() => this.#answer());
    });
  }

  close(): Promise<void> {
    return this.source.close();
  }

  #answer(): void {
    const waiting = this.#waiting.reverse();
    this.#waiting = [];
    for (const answer of waiting) answer();
  }
}
