/** Counting what goes in and out. */
import type { MaybePromise } from '../../maybe.js';
import type { ByteStore } from '../../storage/storage.js';

/** Bytes so far. */
export interface Meter {
  read: number;
  written: number;
}

/** A store whose writes are counted, under the name that the new image is going to have: some formats store it. */
export class MeteredStore implements ByteStore {
  constructor(
    readonly name: string,
    private readonly store: ByteStore,
    private readonly meter: Meter,
  ) {}

  get size(): number {
    return this.store.size;
  }

  get transfer(): number {
    return this.store.transfer;
  }

  get readsZero(): boolean {
    return this.store.readsZero;
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    return this.store.read(offset, into);
  }

  write(offset: number, bytes: Uint8Array): MaybePromise<void> {
    this.meter.written += bytes.length;
    return this.store.write(offset, bytes);
  }

  zero(offset: number, length: number): MaybePromise<void> {
    return this.store.zero(offset, length);
  }

  truncate(size: number): Promise<void> {
    return this.store.truncate(size);
  }

  flush(): Promise<void> {
    return this.store.flush();
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
