/**
 * A Blob or File as storage.
 *
 * Every slice read costs one to two milliseconds whatever its length, so small reads go through windows. A large read
 * goes straight into the caller's buffer: by slice, or, from the second of two reads that follow each other, by stream
 * (`BlobStream`), which can also lend the memory that the browser has filled.
 */
import { ImageError } from '../../errors.js';
import type { Loan } from '../../loan.js';
import type { MaybePromise } from '../../maybe.js';
import { ReadWindows } from '../../storage/read-windows.js';
import type { ByteSource } from '../../storage/storage.js';
import { BlobStream } from './blob-stream.js';
import { storageError } from './dom-errors.js';

export class BlobSource implements ByteSource {
  static readonly TRANSFER = 2 * 1024 * 1024;
  readonly transfer = BlobSource.TRANSFER;
  readonly #blob: Blob;
  readonly #windows: ReadWindows;
  #stream: BlobStream | undefined;
  /** Where the last slice ended: a read that begins there makes it a sequence. */
  #sliceEnd = -1;

  /** `name` is for messages; a File brings its own. */
  constructor(
    blob: Blob,
    readonly name: string = blob instanceof File ? blob.name : 'blob',
  ) {
    this.#blob = blob;
    this.#windows = new ReadWindows((offset, into) => this.#fetch(offset, into));
  }

  get size(): number {
    return this.#blob.size;
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (offset < 0 || offset + into.length > this.size)
      throw new ImageError('io', 'Input/output error', { file: this.name, offset });
    if (into.length === 0) return;
    return this.#windows.read(offset, into, this.size);
  }

  lend(offset: number, length: number): Promise<Loan> | null {
    const loan = this.#streamTo(offset)?.lend(offset, length) ?? null;
    return (
      loan?.catch((thrown: unknown) => {
        throw storageError(thrown, this.name, offset);
      }) ?? null
    );
  }

  async close(): Promise<void> {
    this.#windows.clear();
    await this.#stream?.cancel().catch(() => {});
    this.#stream = undefined;
  }

  async #fetch(offset: number, into: Uint8Array): Promise<void> {
    try {
      await (this.#streamTo(offset)?.read(offset, into) ?? this.#slice(offset, into));
    } catch (thrown) {
      throw storageError(thrown, this.name, offset);
    }
  }

  /** The stream that can serve `offset`, opened if this read continues the last slice. */
  #streamTo(offset: number): BlobStream | undefined {
    if (this.#stream?.reaches(offset)) return this.#stream;
    if (offset !== this.#sliceEnd) return undefined;
    this.#stream?.cancel().catch(() => {});
    this.#stream = BlobStream.open(this.#blob, offset);
    return this.#stream;
  }

  async #slice(offset: number, into: Uint8Array): Promise<void> {
    this.#sliceEnd = offset + into.length;
    const bytes = new Uint8Array(await this.#blob.slice(offset, this.#sliceEnd).arrayBuffer());
    if (bytes.length !== into.length) throw new DOMException('the file is shorter now', 'NotReadableError');
    into.set(bytes);
  }
}
