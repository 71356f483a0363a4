/** An image as storage, for a format inside a format: a qcow2 file in a slice of a raw disk. */
import type { MaybePromise } from '../maybe.js';
import type { ByteSource } from '../storage/storage.js';
import type { Image } from './image.js';

export class ImageSource implements ByteSource {
  readonly size: number;
  readonly transfer = 256 * 1024;

  constructor(
    readonly name: string,
    private readonly image: Image,
  ) {
    this.size = image.size;
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    return this.image.read(offset, into);
  }

  close(): Promise<void> {
    return this.image.close();
  }
}
