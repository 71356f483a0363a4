/** Writing into an existing LUKS image. */
import { ImageError } from '../../errors.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import { EncryptedStore } from '../../image/encrypted-store.js';
import type { EditableImage, PendingWrite, PreparedRun, ResizeRequest } from '../../image/image.js';
import type { LuksHeader } from '../../image/luks/header.js';
import { writePieces } from '../../image/pieces.js';
import { changeLength } from '../../storage/length.js';
import type { ByteStore } from '../../storage/storage.js';
import { UNIT } from './create.js';
import { cipherOf, LuksImage, readHeader } from './image.js';

export class LuksEditor extends LuksImage implements EditableImage {
  readonly unit = UNIT;
  readonly encoding = null;
  readonly unordered = true;
  readonly readsZero = false;

  constructor(
    private readonly store: ByteStore,
    private readonly luks: LuksHeader,
    private readonly sectors: EncryptedStore,
    private readonly flushes: boolean,
  ) {
    super(store, luks, sectors);
  }

  place(run: PreparedRun): PendingWrite {
    return () => writePieces(this.sectors, 0, run.pieces, false);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#check(offset, bytes.length);
    await this.sectors.write(offset, bytes);
  }

  async zero(offset: number, length: number): Promise<void> {
    this.#check(offset, length);
    await this.sectors.zero(offset, length);
  }

  resize(size: number, { preallocation }: ResizeRequest): Promise<void> {
    return changeLength(this.store, this.luks.payloadOffset + size, preallocation);
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

/** Opens an image for writing. Throws what stands in the way: no passphrase, a wrong one, a broken header. */
export async function editLuks(store: ByteStore, { flush }: EditRequest, context: DriverContext): Promise<LuksEditor> {
  const header = await readHeader(store);
  const cipher = await cipherOf(store, header, context);
  if (cipher instanceof ImageError) throw cipher;
  return new LuksEditor(store, header, new EncryptedStore(store, cipher, header.payloadOffset), flush);
}
