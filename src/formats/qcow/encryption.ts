/** Encryption of the guest's clusters, the old way (image/legacy-aes.ts); tables stay as they are. */
import type { SectorCipher } from '../../crypto/sector-cipher.js';
import { ImageError } from '../../errors.js';
import type { DriverContext } from '../../image/driver.js';
import { checkEncryptionAlias, checkEncryptionFormat, encryptionUnavailable } from '../../image/encryption.js';
import { legacyAesCipher, SECRET_OPTION } from '../../image/legacy-aes.js';
import type { OptionTable, OptionValues } from '../../image/options.js';
import { CRYPT, type QcowHeader } from './layout.js';

export const runtimeOptions: OptionTable = [
  { name: 'encrypt.format', type: 'text', help: 'Encryption that the image must have', default: '' },
  { name: SECRET_OPTION, type: 'text', help: 'ID of the secret that provides the AES key' },
];

export interface OpenedEncryption {
  /** null: not encrypted, or not to be read. */
  cipher: SectorCipher | null;
  /** Why there is no cipher; null if there is one, or no need for it. */
  unreadable: ImageError | null;
}

/** Throws `invalid` where the options speak of another encryption. */
export async function openEncryption(header: QcowHeader, context: DriverContext): Promise<OpenedEncryption> {
  const { encryption, runtimeOptions: given = {} } = context;
  const isEncrypted = header.cryptMethod !== CRYPT.none;
  checkEncryptionFormat(isEncrypted ? 'aes' : null, given['encrypt.format']);
  if (!isEncrypted) return { cipher: null, unreadable: null };
  if (encryption === undefined) return { cipher: null, unreadable: encryptionUnavailable() };
  if (!encryption.content)
    return { cipher: null, unreadable: new ImageError('denied', 'The image was opened without its key') };
  try {
    return { cipher: await legacyAesCipher(encryption, given[SECRET_OPTION]), unreadable: null };
  } catch (error) {
    if (error instanceof ImageError) return { cipher: null, unreadable: error };
    throw error;
  }
}

/** The cipher of a new image; null: it is not to be encrypted. Throws `invalid`, `not-found`, `unsupported`. */
export async function createCipher(options: OptionValues, { encryption }: DriverContext): Promise<SectorCipher | null> {
  const { encryption: alias, 'encrypt.format': format, [SECRET_OPTION]: secretId } = options;
  checkEncryptionAlias(options);
  if (alias !== true && format === undefined) {
    if (secretId !== undefined) throw new ImageError('invalid', "Parameter 'encrypt.format' is missing");
    return null;
  }
  if (alias !== true && format !== 'aes')
    throw new ImageError('invalid', `Parameter 'format' does not accept value '${format}'`);
  if (encryption === undefined) throw encryptionUnavailable();
  return legacyAesCipher(encryption, secretId);
}
