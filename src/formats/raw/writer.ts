/** Writing raw images: every byte has its place already, so placing is nothing and writes may come in any order. */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { CreateRequest, DriverContext, EditRequest } from '../../image/driver.js';
import type { EditableImage, ImageWriter, PendingWrite, PreparedRun } from '../../image/image.js';
import type { OptionTable } from '../../image/options.js';
import { writePieces } from '../../image/pieces.js';
import type { ByteStore, Preallocation } from '../../storage/storage.js';
import { diskRegion, RawImage, type Region, SECTOR } from './image.js';

export const rawCreateOptions: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size' },
  { name: 'nocow', type: 'bool', help: 'Turn off copy-on-write (valid only on btrfs)', storage: true },
  {
    name: 'preallocation',
    type: 'string',
    help: 'Preallocation mode (allowed values: off, falloc, full)',
    storage: true,
  },
  { name: 'extent_size_hint', type: 'size', help: 'Extent size hint for the image file, 0 to disable', storage: true },
];

/** A page: what shares one is written by one write. */
const UNIT = 4096;

/** Fills a new raw image. */
export class RawWriter implements ImageWriter {
  readonly unit = UNIT;
  readonly encoding = null;
  readonly unordered = true;

  private constructor(
    private readonly store: ByteStore,
    readonly size: number,
    private readonly flushes: boolean,
  ) {}

  /**
   * Gives the storage its size, whole sectors; a device that is larger stays so. Throws `unsupported` for a kind of
   * preallocation that the storage does not have, `invalid` for one that does not exist.
   */
  static async create(store: ByteStore, request: CreateRequest): Promise<RawWriter> {
    const size = roundUp(request.size, SECTOR);
    const { nocow, extent_size_hint: extentSize, preallocation } = request.options;
    const mode = parsePreallocation(preallocation ?? 'off');
    store.hint?.({ nocow: nocow === true, extentSize: extentSize === undefined ? undefined : Number(extentSize) });
    if (mode === 'off') await resize(store, size);
    else if (store.preallocate === undefined)
      throw new ImageError('unsupported', `Unsupported preallocation mode '${mode}'`, { file: store.name });
    else await store.preallocate(size, mode);
    return new RawWriter(store, size, request.flush);
  }

  get readsZero(): boolean {
    return this.store.readsZero;
  }

  place(run: PreparedRun): PendingWrite {
    return () => writePieces(this.store, 0, run.pieces, this.store.readsZero);
  }

  async finish(): Promise<void> {
    if (this.flushes) await this.store.flush();
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

function parsePreallocation(value: unknown): Preallocation {
  if (value === 'off' || value === 'falloc' || value === 'full') return value;
  if (value === 'metadata') throw new ImageError('unsupported', `Unsupported preallocation mode: ${value}`);
  throw new ImageError('invalid', `invalid parameter value: ${value}`);
}

async function resize(store: ByteStore, size: number): Promise<void> {
  try {
    await store.truncate(size);
  } catch (error) {
    const fits = error instanceof ImageError && error.code === 'invalid' && store.size >= size;
    if (!fits) throw error;
  }
}

/** Writes into an existing raw image. */
export class RawEditor extends RawImage implements EditableImage {
  readonly unit = UNIT;
  readonly encoding = null;
  readonly unordered = true;
  readonly readsZero = false;

  constructor(
    private readonly store: ByteStore,
    region: Region,
    private readonly flushes: boolean,
  ) {
    super(store, region);
  }

  static async edit(store: ByteStore, request: EditRequest, context: DriverContext): Promise<RawEditor> {
    return new RawEditor(store, diskRegion(store, context.runtimeOptions), request.flush);
  }

  place(run: PreparedRun): PendingWrite {
    return () => writePieces(this.store, this.region.offset, run.pieces, false);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#check(offset, bytes.length);
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
