/** A file that was picked, as the commands want their storage: with a writing half, which a browser does not give. */
import { ImageError } from '../../errors.js';
import type { ByteStore } from '../../storage/storage.js';
import { BlobSource } from './blob-source.js';

export class PickedFile extends BlobSource implements ByteStore {
  readonly readsZero = false;

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
