/** The encryption of a new image: its cipher, and with LUKS the container that holds the key. */
import type { DriverContext } from '../../image/driver.js';
import { encryptionUnavailable, passphraseOf } from '../../image/encryption.js';
import { legacyAesCipher } from '../../image/legacy-aes.js';
import { createLuks, type NewLuks } from '../../image/luks/create.js';
import { luksOptions } from '../../image/luks/options.js';
import type { OptionValues } from '../../image/options.js';
import type { ClusterCipher } from './encryption.js';
import type { EncryptionFormat } from './options.js';

export interface NewEncryption {
  cipher: ClusterCipher;
  /** null: the passphrase is the key. */
  container: NewLuks | null;
}

/** null: the image is not to be encrypted. Throws `invalid`, `not-found` for the secret, `unsupported`. */
export async function prepareEncryption(
  format: EncryptionFormat,
  options: OptionValues,
  { encryption, identity }: DriverContext,
): Promise<NewEncryption | null> {
  if (format === 'none') return null;
  if (encryption === undefined) throw encryptionUnavailable();
  const secretId = options['encrypt.key-secret'];
  if (format === 'aes')
    return { cipher: { sectors: await legacyAesCipher(encryption, secretId), byHost: false }, container: null };
  identity?.allowSecrets('Images encrypted with LUKS');
  const rules = luksOptions(encryption.crypto, options, 'encrypt.');
  const passphrase = passphraseOf(encryption, 'encrypt.key-secret', secretId);
  const container = await createLuks(encryption.crypto, rules, passphrase);
  return { cipher: { sectors: container.cipher, byHost: true }, container };
}
