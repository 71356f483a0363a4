/** A source where a store is asked for: whoever writes is told that it cannot be written to. */
import { ImageError } from '../errors.js';
import type { Loan } from '../loan.js';
import type { MaybePromise } from '../maybe.js';
import type { ByteSource, ByteStore, StorageExtent } from './storage.js';

export class ReadOnlyStore implements ByteStore {
  readonly readsZero = false;
  readonly size: number;
  readonly transfer: number;
  readonly extents?: (offset: number, length: number) => MaybePromise<StorageExtent[]>;

  /** @param name for messages, in place of the source's own */
  constructor(
    readonly name: string,
    private readonly source: ByteSource,
  ) {
    this.size = source.size;
    this.transfer = source.transfer;
    if (source.extents !== undefined) this.extents = (offset, length) => source.extents!(offset, length);
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    return this.source.read(offset, into);
  }

  lend(offset: number, length: number): Promise<Loan> | null {
    return this.source.lend?.(offset, length) ?? null;
  }

  write(offset: number): never {
    throw new ImageError('denied', 'Read-only file system', { file: this.name, offset });
  }

  zero(offset: number): never {
    return this.write(offset);
  }

  async truncate(size: number): Promise<never> {
    return this.write(size);
  }

  async flush(): Promise<void> {}

  close(): Promise<void> {
    return this.source.close();
  }
}
