/**
 * The first encryption of qcow and qcow2, deprecated long ago: AES-128-CBC with the passphrase itself as the key, sectors
 * counted in the guest's disk. Specification: QEMU, docs/interop/qcow2, "Header" (crypt_method 1).
 */
import { SectorCipher } from '../crypto/sector-cipher.js';
import { type EncryptionContext, passphraseOf } from './encryption.js';

const KEY_SIZE = 16;

/** The option that names the secret. */
export const SECRET_OPTION = 'encrypt.key-secret';

/** The passphrase is the key: cut off, or filled up with zeros. Throws `invalid` or `not-found` for the secret. */
export function legacyAesCipher(encryption: EncryptionContext, secretId: unknown): Promise<SectorCipher> {
  const key = new Uint8Array(KEY_SIZE);
  key.set(passphraseOf(encryption, SECRET_OPTION, secretId).subarray(0, KEY_SIZE));
  const spec = { cipherBytes: KEY_SIZE, mode: 'cbc', generator: 'plain64', generatorHash: null } as const;
  return SectorCipher.create(encryption.crypto, spec, key);
}
