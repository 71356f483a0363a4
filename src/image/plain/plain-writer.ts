/** Writing plain disks: every byte has its place already, so placing is nothing and writes may come in any order. */
import { ImageError } from '../../errors.js';
import type { ByteStore } from '../../storage/storage.js';
import type { EditableImage, ImageWriter, PendingWrite, PreparedRun, ResizeRequest } from '../image.js';
import { writePieces } from '../pieces.js';
import { PlainImage, type Region } from './plain-image.js';

/** A page: what shares one is written by one write. */
const UNIT = 4096;

/** Fills a new disk at the beginning of its storage, which has its length already. */
export class PlainWriter implements ImageWriter {
  readonly unit = UNIT;
  readonly encoding = null;
  readonly unordered = true;

  /**
   * @param size guest disk in bytes
   * @param complete writes what makes the image valid; absent: it is valid all the time
   */
  constructor(
    private readonly store: ByteStore,
    readonly size: number,
    private readonly flushes: boolean,
    private readonly complete?: () => Promise<void>,
  ) {}

  get readsZero(): boolean {
    return this.store.readsZero;
  }

  place(run: PreparedRun): PendingWrite {
    return () => {
      this.store.announce?.('write_aio');
      return writePieces(this.store, 0, run.pieces, this.store.readsZero);
    };
  }

  async finish(): Promise<void> {
    if (this.complete !== undefined) {
      if (this.flushes) await this.store.flush();
      await this.complete();
    }
    if (this.flushes) await this.store.flush();
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

/** What a `PlainEditor` may be told besides. */
export interface PlainRules {
  /** As for `PlainImage`. */
  preallocated?: boolean;
  /** Gives the storage room for a disk of `size` bytes and tells where it is; absent: the disk keeps its size. */
  resize?(size: number, request: ResizeRequest): Promise<Region>;
  /** As in `EditRequest`. */
  checkStart?(bytes: Uint8Array): void;
}

/** Writes into an existing disk. */
export class PlainEditor extends PlainImage implements EditableImage {
  readonly unit = UNIT;
  readonly encoding = null;
  readonly unordered = true;
  readonly readsZero = false;
  readonly resize?: (size: number, request: ResizeRequest) => Promise<void>;
  readonly #checkStart: PlainRules['checkStart'];

  constructor(
    format: string,
    private readonly store: ByteStore,
    region: Region,
    private readonly flushes: boolean,
    { preallocated = false, resize, checkStart }: PlainRules = {},
  ) {
    super(format, store, region, preallocated);
    this.#checkStart = checkStart;
    if (resize === undefined) return;
    this.resize = async (size, request) => {
      this.region = await resize(size, request);
    };
  }

  place(run: PreparedRun): PendingWrite {
    const [first] = run.pieces;
    if (first?.kind === 'data' && first.offset === 0) this.#checkStart?.(first.bytes);
    return () => {
      this.store.announce?.('write_aio');
      return writePieces(this.store, this.region.offset, run.pieces, false);
    };
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#check(offset, bytes.length);
    if (offset === 0) this.#checkStart?.(bytes);
    this.store.announce?.('write_aio');
    await this.store.write(this.region.offset + offset, bytes);
  }

  async zero(offset: number, length: number): Promise<void> {
    this.#check(offset, length);
    await this.store.zero(this.region.offset + offset, length);
  }

  flush(): Promise<void> {
    return this.store.flush();
  }

  async finish(): Promise<void> {
    if (this.flushes) await this.store.flush();
  }

  #check(offset: number, length: number): void {
    if (offset + length > this.size)
      throw new ImageError('io', 'Input/output error', { file: this.store.name, offset });
  }
}
