/** Making a LUKS image, and filling it. */
import { roundUp } from '../../bytes.js';
import { CRYPT_SECTOR } from '../../crypto/modes.js';
import { ImageError } from '../../errors.js';
import type { CreateRequest, DriverContext } from '../../image/driver.js';
import { EncryptedStore } from '../../image/encrypted-store.js';
import { encryptionUnavailable, passphraseOf } from '../../image/encryption.js';
import type { ImageWriter, PendingWrite, PreparedRun } from '../../image/image.js';
import { createLuks, type NewLuks, payloadOffsetOf } from '../../image/luks/create.js';
import { HEADER_AREA } from '../../image/luks/layout.js';
import { luksOptions } from '../../image/luks/options.js';
import type { Measurement, MeasureRequest } from '../../image/measure.js';
import type { OptionValues } from '../../image/options.js';
import { writePieces } from '../../image/pieces.js';
import type { ByteStore, Preallocation } from '../../storage/storage.js';

/** Runs are cut on pages, whose writes are cheapest. */
export const UNIT = 4096;

/** Makes an image with one key slot; its header is withheld until the writer finishes. */
export async function createLuksImage(
  target: ByteStore,
  request: CreateRequest,
  context: DriverContext,
): Promise<LuksWriter> {
  const { encryption, identity } = context;
  if (encryption === undefined) throw encryptionUnavailable();
  identity?.allowSecrets('LUKS images');
  const { options } = request;
  if (options['detached-header'] === true)
    throw new ImageError('unsupported', 'Detached LUKS headers are not supported');
  const mode = preallocationOf(options);
  const rules = luksOptions(encryption.crypto, options);
  const passphrase = passphraseOf(encryption, 'key-secret', options['key-secret']);
  const size = roundUp(request.size, CRYPT_SECTOR);
  const container = await createLuks(encryption.crypto, rules, passphrase);
  await reserve(target, container.payloadOffset + size, mode);
  if (!target.readsZero) await target.write(0, new Uint8Array(HEADER_AREA));
  await target.write(HEADER_AREA, container.material);
  return new LuksWriter(target, container, size, request.flush);
}

/** Every sector takes its place. Throws `invalid`, `not-found` for the secret, `unsupported`. */
export function measureLuks({ size, options }: MeasureRequest, { encryption }: DriverContext): Measurement {
  if (encryption === undefined) throw encryptionUnavailable();
  if (options['detached-header'] !== undefined)
    throw new ImageError('invalid', "Parameter 'detached-header' is unexpected");
  const { cipher } = luksOptions(encryption.crypto, options);
  passphraseOf(encryption, 'key-secret', options['key-secret']);
  const bytes = BigInt(payloadOffsetOf(cipher)) + size;
  return { required: bytes, fullyAllocated: bytes, bitmaps: null };
}

function preallocationOf({ preallocation = 'off' }: OptionValues): Preallocation {
  // There is no metadata that depends on the size.
  if (preallocation === 'off' || preallocation === 'metadata') return 'off';
  if (preallocation === 'falloc' || preallocation === 'full') return preallocation;
  throw new ImageError('invalid', `invalid parameter value: ${preallocation}`);
}

async function reserve(target: ByteStore, size: number, mode: Preallocation): Promise<void> {
  if (!Number.isSafeInteger(size)) throw new ImageError('invalid', 'The requested file size is too large');
  if (mode !== 'off') {
    if (target.preallocate === undefined)
      throw new ImageError('unsupported', `Unsupported preallocation mode '${mode}'`);
    await target.preallocate(size, mode);
  } else if (target.readsZero || target.size < size) await target.truncate(size);
}

/** Fills a new image; every sector is written, as no storage holds encrypted zeros. */
export class LuksWriter implements ImageWriter {
  readonly unit = UNIT;
  readonly encoding = null;
  readonly unordered = true;
  readonly readsZero = false;
  readonly #disk: EncryptedStore;

  constructor(
    private readonly target: ByteStore,
    private readonly container: NewLuks,
    readonly size: number,
    private readonly flushes: boolean,
  ) {
    this.#disk = new EncryptedStore(target, container.cipher, container.payloadOffset);
  }

  place(run: PreparedRun): PendingWrite {
    return () => writePieces(this.#disk, 0, run.pieces, false);
  }

  async finish(): Promise<void> {
    if (this.flushes) await this.target.flush();
    await this.target.write(0, this.container.header);
    if (this.flushes) await this.target.flush();
  }

  close(): Promise<void> {
    return this.target.close();
  }
}
