/** A disk as storage: for a format inside a format (a qcow2 file in a slice of a raw disk), and for filters over images. */
import { ImageError } from '../errors.js';
import type { MaybePromise } from '../maybe.js';
import type { ByteSource, ByteStore, StorageExtent } from '../storage/storage.js';
import type { EditableImage, Image } from './image.js';

export class ImageSource implements ByteSource {
  readonly size: number;
  readonly transfer = 256 * 1024;

  constructor(
    readonly name: string,
    protected readonly image: Image,
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

/** The disk of an image, with what shows of its backing files; writing goes to the image. */
export class ImageStore extends ImageSource implements ByteStore {
  readonly readsZero = false;

  /**
   * @param disk what is read
   * @param editor what is written to; null: nothing
   */
  constructor(
    name: string,
    disk: Image,
    private readonly editor: EditableImage | null,
  ) {
    super(name, disk);
  }

  async extents(offset: number, length: number): Promise<StorageExtent[]> {
    const extents = await this.image.extents(offset, length);
    return extents.map((extent) => ({ start: extent.start, length: extent.length, hole: extent.kind !== 'data' }));
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#checkRoom(offset + bytes.length);
    await this.#writable.write(offset, bytes);
  }

  async zero(offset: number, length: number): Promise<void> {
    this.#checkRoom(offset + length);
    await this.#writable.zero(offset, length);
  }

  async truncate(size: number): Promise<void> {
    this.#checkRoom(size);
    if (size !== this.size) throw new ImageError('invalid', 'The disk of an image keeps its size', { file: this.name });
  }

  async flush(): Promise<void> {
    await this.#writable.flush();
  }

  #checkRoom(end: number): void {
    if (end > this.size) throw new ImageError('no-space', 'No space left on device', { file: this.name });
  }

  get #writable(): EditableImage {
    if (this.editor === null) throw new ImageError('denied', 'Operation not permitted', { file: this.name });
    return this.editor;
  }
}
