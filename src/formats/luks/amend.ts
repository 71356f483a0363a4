/** A LUKS image whose key slots are changed. */
import { ImageError } from '../../errors.js';
import type { AmendableImage, AmendRequest } from '../../image/amend.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import { DecryptedSource } from '../../image/encrypted-store.js';
import { type EncryptionContext, encryptionUnavailable } from '../../image/encryption.js';
import { type AmendedLuks, amendLuks } from '../../image/luks/amend.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { cipherOf, LuksImage, readHeader } from './image.js';

/** Opens an image to change its keys. Throws what stands in the way: no passphrase, a wrong one, a broken header. */
export async function openForAmend(
  store: ByteStore,
  { flush }: EditRequest,
  context: DriverContext,
): Promise<AmendableImage> {
  const { encryption, runtimeOptions = {} } = context;
  if (encryption === undefined) throw encryptionUnavailable();
  const header = await readHeader(store);
  const cipher = await cipherOf(store, header, context);
  if (cipher instanceof ImageError) throw cipher;
  const opening = { name: 'key-secret', id: runtimeOptions['key-secret'] };
  const disk = new DecryptedSource(store, cipher, header.payloadOffset);
  return new AmendableLuks({ store, header, offset: 0, opening, flush }, disk, encryption);
}

class AmendableLuks extends LuksImage implements AmendableImage {
  constructor(
    private readonly container: AmendedLuks,
    disk: ByteSource,
    private readonly encryption: EncryptionContext,
  ) {
    super(container.store, container.header, disk);
  }

  async amend({ options, force }: AmendRequest): Promise<void> {
    await amendLuks(this.encryption, this.container, options, '', force);
  }
}
