/**
 * A file that the user chose, through the File System Access API.
 *
 * The browser writes into a temporary file beside it and moves that into place at `close`, after a scan that takes
 * seconds a gigabyte of logical size, holes included: callers show a state of its own for it. Until then the user's
 * file is as it was, so what has been written cannot be read back, and `abandon` undoes everything.
 *
 * Each request to the stream has a high fixed cost; neighbouring writes are therefore joined into 8 MiB, in two
 * buffers of which one fills while the other is written.
 */
import { ImageError } from '../../errors.js';
import type { ByteStore } from '../../storage/storage.js';
import { storageError } from './dom-errors.js';

/** Bytes of a joined write; throughput levels off here. */
const JOINED = 8 * 1024 * 1024;
/** What zeros are written from, where the file has content already. */
const ZEROS = new Uint8Array(1024 * 1024);

/** Bytes on their way into the file. */
interface Batch {
  readonly memory: Uint8Array<ArrayBuffer>;
  offset: number;
  length: number;
  /** Ends when the memory may be filled again; never rejects. */
  written: Promise<void>;
}

function emptyBatch(): Batch {
  return { memory: new Uint8Array(JOINED), offset: 0, length: 0, written: Promise.resolve() };
}

export class WritableStore implements ByteStore {
  readonly transfer = JOINED;
  readonly readsZero = true;
  readonly #stream: FileSystemWritableFileStream;
  #filling = emptyBatch();
  #draining = emptyBatch();
  /** End of what was written or truncated to, also while it is still in a batch. */
  #size = 0;
  /** Size that the stream's file has, or will have once the queued writes are done. */
  #streamSize = 0;
  #failure: ImageError | undefined;
  /** Calls take their turn: a write that waits for memory must not be overtaken. */
  #turn: Promise<unknown> = Promise.resolve();
  #open = true;

  /** For a stream that is open already and has kept no data. */
  constructor(
    readonly name: string,
    stream: FileSystemWritableFileStream,
    private readonly onFinalising: () => void = () => {},
  ) {
    this.#stream = stream;
  }

  /** Begins to replace `file`; `onFinalising` is told when the slow part of `close` begins. Throws `denied`. */
  static async create(file: FileSystemFileHandle, onFinalising?: () => void): Promise<WritableStore> {
    try {
      return new WritableStore(file.name, await file.createWritable(), onFinalising);
    } catch (thrown) {
      throw storageError(thrown, file.name);
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Always throws: what is written can be read once the file is finished, not before. */
  read(offset: number): never {
    throw new ImageError('unsupported', 'A file that is being replaced cannot be read', { file: this.name, offset });
  }

  /** Done once `bytes` are copied; a failure to write them shows in a later call. */
  write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#size = Math.max(this.#size, offset + bytes.length);
    return this.#inTurn(() => this.#append(offset, bytes));
  }

  /** What lies beyond the end becomes a hole. */
  zero(offset: number, length: number): Promise<void> {
    const written = Math.min(offset + length, this.#size);
    this.#size = Math.max(this.#size, offset + length);
    return this.#inTurn(async () => {
      for (let at = offset; at < written; at += ZEROS.length) await this.#append(at, ZEROS.subarray(0, written - at));
    });
  }

  truncate(size: number): Promise<void> {
    this.#size = size;
    return this.#inTurn(async () => {
      await this.#drain();
      await this.#resize(size);
    });
  }

  flush(): Promise<void> {
    return this.#inTurn(() => this.#drain());
  }

  /** Moves the result into place; slow. If that fails, and after `abandon`, the user's file stays as it was. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#open) return;
      try {
        await this.#drain();
        if (this.#streamSize < this.#size) await this.#resize(this.#size);
        this.onFinalising();
        await this.#stream.close();
        this.#open = false;
      } catch (thrown) {
        this.abandon();
        throw thrown;
      }
    });
  }

  /** Drops all that was written; the user's file stays as it was before. `close` then only waits for that. */
  abandon(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#turn = this.#stream.abort().catch(() => {});
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(action).catch((thrown: unknown) => {
      throw storageError(thrown, this.name);
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  async #append(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const batch = await this.#room(offset + done);
      const count = Math.min(bytes.length - done, JOINED - batch.length);
      batch.memory.set(bytes.subarray(done, done + count), batch.length);
      batch.length += count;
      done += count;
    }
  }

  /** The batch that can take bytes for `offset`. */
  async #room(offset: number): Promise<Batch> {
    const { length } = this.#filling;
    if (length === JOINED || (length > 0 && this.#filling.offset + length !== offset)) await this.#swap();
    if (this.#filling.length === 0) this.#filling.offset = offset;
    return this.#filling;
  }

  /** Sends the batch on its way, and waits until the other one is free. */
  async #swap(): Promise<void> {
    const batch = this.#filling;
    await this.#draining.written;
    this.#throwFailure();
    const data = batch.memory.subarray(0, batch.length);
    batch.written = this.#stream.write({ type: 'write', position: batch.offset, data }).catch((thrown: unknown) => {
      this.#failure ??= storageError(thrown, this.name, batch.offset);
    });
    this.#streamSize = Math.max(this.#streamSize, batch.offset + batch.length);
    this.#filling = this.#draining;
    this.#filling.length = 0;
    this.#draining = batch;
  }

  async #drain(): Promise<void> {
    if (this.#filling.length > 0) await this.#swap();
    await this.#draining.written;
    this.#throwFailure();
  }

  async #resize(size: number): Promise<void> {
    await this.#stream.truncate(size);
    this.#streamSize = size;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
