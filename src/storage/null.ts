/** Storage without content, `null-co` and `null-aio` of `qemu-img`: reads zeros, forgets what is written. For measurements and tests. */
import { ImageError } from '../errors.js';
import type { ByteStore, StorageExtent } from './storage.js';

export class NullStore implements ByteStore {
  readonly name: string;
  readonly readsZero = true;
  readonly transfer = 256 * 1024;
  /** Absent unless it is known to read as zeros: then all of it is a hole. */
  readonly extents?: (offset: number, length: number) => StorageExtent[];

  constructor(
    driver: string,
    readonly size: number,
    readZeroes: boolean,
  ) {
    this.name = `${driver}://`;
    if (readZeroes) this.extents = (start, length) => [{ start, length, hole: true }];
  }

  read(offset: number, into: Uint8Array): void {
    if (offset + into.length > this.size) throw new ImageError('io', 'Input/output error', { file: this.name, offset });
    into.fill(0);
  }

  write(): void {}

  zero(): void {}

  async truncate(size: number): Promise<void> {
    if (size !== this.size)
      throw new ImageError('invalid', 'Image format driver does not support resize', { file: this.name });
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}
