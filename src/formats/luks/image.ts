/** A LUKS image that is read. */

import type { SectorCipher } from '../../crypto/sector-cipher.js';
import { corrupt, ImageError } from '../../errors.js';
import type { DriverContext } from '../../image/driver.js';
import { DecryptedSource } from '../../image/encrypted-store.js';
import { encryptionUnavailable } from '../../image/encryption.js';
import type { Extent, Image, ImageDetails } from '../../image/image.js';
import { describeLuks } from '../../image/luks/describe.js';
import { type LuksHeader, readLuksHeader } from '../../image/luks/header.js';
import { openLuksCipher } from '../../image/luks/open.js';
import type { MaybePromise } from '../../maybe.js';
import type { ByteSource } from '../../storage/storage.js';

export class LuksImage implements Image {
  readonly format = 'luks';
  readonly clusterSize = 1;
  readonly backing = null;
  readonly snapshots = [];
  /** `disk`: the decrypted sectors, or why there are none. */
  constructor(
    private readonly source: ByteSource,
    private readonly header: LuksHeader,
    private readonly disk: ByteSource | ImageError,
  ) {}

  get size(): number {
    return diskSize(this.source, this.header);
  }

  get unreadable(): ImageError | null {
    return this.disk instanceof ImageError ? this.disk : null;
  }

  /** Holes of the storage are no zeros: they decrypt to noise. */
  extents(start: number, length: number): Extent[] {
    return [{ start, length, kind: 'data', compressed: false, hostOffset: null, depth: 0 }];
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (this.disk instanceof ImageError) throw this.disk;
    return this.disk.read(offset, into);
  }

  details(): ImageDetails {
    return { encrypted: true, formatSpecific: { type: 'luks', data: describeLuks(this.header) } };
  }

  close(): Promise<void> {
    return this.source.close();
  }
}

/**
 * Opens an image for reading. One without its passphrase opens too, and is `unreadable`. Throws `corrupt` or
 * `unsupported` for what the header says.
 */
export async function openLuks(source: ByteSource, context: DriverContext): Promise<LuksImage> {
  const header = await readHeader(source);
  const cipher = await cipherOf(source, header, context);
  const disk = cipher instanceof ImageError ? cipher : new DecryptedSource(source, cipher, header.payloadOffset);
  return new LuksImage(source, header, disk);
}

/** Throws `corrupt` for a header that is broken, or whose disk begins behind the end of the storage. */
export async function readHeader(source: ByteSource): Promise<LuksHeader> {
  const header = await readLuksHeader(source);
  if (header.payloadOffset > source.size) throw corrupt('The encrypted disk begins beyond the end of the file');
  return header;
}

/** The cipher of the disk's sectors, or why there is none. */
export async function cipherOf(
  source: ByteSource,
  header: LuksHeader,
  { encryption, runtimeOptions = {} }: DriverContext,
): Promise<SectorCipher | ImageError> {
  const option = { name: 'key-secret', id: runtimeOptions['key-secret'] };
  if (encryption === undefined) return encryptionUnavailable();
  if (!encryption.content) return new ImageError('denied', 'The image was opened without its key');
  return openLuksCipher(encryption, source, header, option);
}

function diskSize(source: ByteSource, { payloadOffset }: LuksHeader): number {
  return Math.ceil((source.size - payloadOffset) / 512) * 512;
}
