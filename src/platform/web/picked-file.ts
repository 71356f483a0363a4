/** A file that was picked, as the commands want their storage: with a writing half, which a browser does not give. */
import { ImageError } from '../../errors.js';
import type { ByteStore } from '../../storage/storage.js';
import { BlobSource } from './blob-source.js';
import { storageError } from './dom-errors.js';

export class PickedFile extends BlobSource implements ByteStore {
  readonly readsZero = false;

  /** Throws `not-found` if the file is no longer there. */
  static async open(blob: Blob, name: string): Promise<PickedFile> {
    try {
      // A file that was removed before anybody asked for its size is empty, for all that the browser tells of it.
      if (blob.size === 0) await blob.arrayBuffer();
    } catch (thrown) {
      throw storageError(thrown, name);
    }
    return new PickedFile(blob, name);
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
}
