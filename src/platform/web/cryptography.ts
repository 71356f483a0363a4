/** Cryptography in a browser: WebCrypto for hashes, key derivation and randomness, and AES of our own. */
import type { Cryptography } from '../../crypto/cryptography.js';
import { ImageError } from '../../errors.js';
import { aesCipher } from './aes.js';

/** What WebCrypto offers: its name and the bytes of a digest. */
const HASHES: ReadonlyMap<string, { name: string; size: number }> = new Map([
  ['sha1', { name: 'SHA-1', size: 20 }],
  ['sha256', { name: 'SHA-256', size: 32 }],
  ['sha384', { name: 'SHA-384', size: 48 }],
  ['sha512', { name: 'SHA-512', size: 64 }],
]);

export const webCryptography: Cryptography = {
  aes: aesCipher,
  digestSize: (hash) => HASHES.get(hash)?.size ?? null,
  async hash(hash, bytes) {
    return new Uint8Array(await subtle().digest(nameOf(hash), bytes.slice()));
  },
  async pbkdf2(hash, password, salt, iterations, length) {
    const key = await subtle().importKey('raw', password.slice(), 'PBKDF2', false, ['deriveBits']);
    const rules = { name: 'PBKDF2', hash: nameOf(hash), salt: salt.slice(), iterations };
    return new Uint8Array(await subtle().deriveBits(rules, key, 8 * length));
  },
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
};

/** Pages that did not come by HTTPS, or from the same machine, have none. */
function subtle(): SubtleCrypto {
  if (crypto.subtle === undefined)
    throw new ImageError('unsupported', 'Encrypted images need a page that was loaded over HTTPS');
  return crypto.subtle;
}

function nameOf(hash: string): string {
  const found = HASHES.get(hash);
  if (found === undefined) throw new ImageError('unsupported', `Unsupported hash algorithm ${hash}`);
  return found.name;
}
