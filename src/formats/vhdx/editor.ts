/**
 * Changing a VHDX image in place.
 *
 * Data come first and the table after them, so whatever the table refers to is complete: a crash leaves space that
 * nothing refers to. The log stays empty. Before the first change both headers get new identities, as the format demands.
 */
import { ImageError } from '../../errors.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import { randomGuid } from '../../image/guid.js';
import type { EditableImage, PendingWrite, PreparedRun } from '../../image/image.js';
import type { Kernels, Piece } from '../../kernels/kernels.js';
import type { ByteStore } from '../../storage/storage.js';
import { BlockSpace } from './block-space.js';
import { type CurrentHeader, updateHeaders } from './headers.js';
import { VhdxImage } from './image.js';
import { type OpenedVhdx, openForWriting } from './open.js';
import { performWrites, placeRun, type WritingParts } from './placing.js';
import { UNIT } from './writer.js';

/** Opens an image for writing; a log that holds changes is replayed into it. Throws `unsupported` for a differencing one. */
export async function editVhdx(
  store: ByteStore,
  { flush }: EditRequest,
  { kernels }: DriverContext,
): Promise<VhdxEditor> {
  const opened = await openForWriting(store, kernels);
  if (opened.parts.metadata.isDifferencing)
    throw new ImageError('unsupported', 'Differencing VHDX images cannot be written to');
  return new VhdxEditor(store, kernels, opened, flush);
}

export class VhdxEditor extends VhdxImage implements EditableImage {
  readonly unit = UNIT;
  readonly encoding = null;
  readonly unordered = false;
  readonly readsZero = false;
  readonly #writing: WritingParts;
  /** null: the headers say already that the image is being changed. */
  #unchanged: CurrentHeader | null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: ByteStore,
    private readonly kernels: Kernels,
    { parts, current }: OpenedVhdx,
    private readonly flushes: boolean,
  ) {
    super(parts);
    const { metadata, bat } = parts;
    this.#writing = { store, metadata, bat, space: new BlockSpace(store, store.size) };
    this.#unchanged = current;
  }

  place(run: PreparedRun): Promise<PendingWrite | undefined> {
    return this.#inTurn(async () => {
      const writes = await placeRun(this.#writing, run);
      return writes.length === 0 ? undefined : () => performWrites(this.store, writes);
    });
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#put({ kind: 'data', offset, length: bytes.length, bytes });
  }

  zero(offset: number, length: number): Promise<void> {
    return this.#put({ kind: 'zero', offset, length });
  }

  async flush(): Promise<void> {
    await this.#inTurn(() => this.#commit());
    await this.store.flush();
  }

  async finish(): Promise<void> {
    await this.#inTurn(() => this.#commit());
    if (this.flushes) await this.store.flush();
  }

  async #put(piece: Piece): Promise<void> {
    const { offset, length } = piece;
    if (offset + length > this.size)
      throw new ImageError('io', 'Input/output error', { file: this.store.name, offset });
    const write = await this.place({ offset, length, pieces: [piece] });
    await write?.();
  }

  async #commit(): Promise<void> {
    await this.#writing.space.settle();
    if (this.flushes) await this.store.flush();
    await this.#writing.bat.flush();
  }

  /** Runs `work` when all that was asked for before is done, and after the headers were changed. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(async () => {
      await this.#announce();
      return work();
    });
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #announce(): Promise<void> {
    if (this.#unchanged === null) return;
    const current = this.#unchanged;
    this.#unchanged = null;
    await updateHeaders(this.store, this.kernels, current, { dataWriteGuid: randomGuid() });
  }
}
