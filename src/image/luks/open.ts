/** Opening a LUKS container: header, passphrase, the cipher of its sectors. */
import { SectorCipher } from '../../crypto/sector-cipher.js';
import { ImageError } from '../../errors.js';
import type { ByteSource } from '../../storage/storage.js';
import { type EncryptionContext, passphraseOf } from '../encryption.js';
import type { LuksHeader } from './header.js';
import { unlockLuks } from './unlock.js';

/** Where the passphrase comes from. */
export interface PassphraseOption {
  /** Of the option, as messages name it: `key-secret`. */
  name: string;
  /** Its value, the id of a secret; undefined: not given. */
  id: unknown;
}

/**
 * The cipher, or why there is none: no passphrase, a wrong one, an algorithm that is not here. Failures to read are
 * thrown. `offset`: where the header lies in `source`.
 */
export async function openLuksCipher(
  encryption: EncryptionContext,
  source: ByteSource,
  header: LuksHeader,
  { name, id }: PassphraseOption,
  offset = 0,
): Promise<SectorCipher | ImageError> {
  const { crypto } = encryption;
  try {
    const passphrase = passphraseOf(encryption, name, id);
    if (!header.algorithm.startsWith('aes-'))
      throw new ImageError('unsupported', `Algorithm '${header.algorithm}' not supported`);
    const key = await unlockLuks(crypto, source, header, passphrase, offset);
    return await SectorCipher.create(crypto, header.cipher, key);
  } catch (error) {
    if (error instanceof ImageError && error.code !== 'io') return error;
    throw error;
  }
}
