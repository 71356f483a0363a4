/** Cryptography by Node, that is, by OpenSSL. */
import { createCipheriv, createDecipheriv, createHash, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { BlockCipher, Cryptography } from '../../crypto/cryptography.js';

/** Bytes of a digest, by hash. */
const DIGESTS: ReadonlyMap<string, number> = new Map([
  ['md5', 16],
  ['sha1', 20],
  ['ripemd160', 20],
  ['sha224', 28],
  ['sha256', 32],
  ['sm3', 32],
  ['sha384', 48],
  ['sha512', 64],
]);

export const nodeCryptography: Cryptography = {
  aes,
  digestSize: (hash) => DIGESTS.get(hash) ?? null,
  hash: (hash, bytes) => createHash(hash).update(bytes).digest(),
  pbkdf2: (hash, password, salt, iterations, length) => promisify(pbkdf2)(password, salt, iterations, length, hash),
  random: (length) => randomBytes(length),
};

function aes(key: Uint8Array): BlockCipher {
  const name = `aes-${key.length * 8}-ecb`;
  let encryption: ReturnType<typeof createCipheriv> | undefined;
  let decryption: ReturnType<typeof createDecipheriv> | undefined;
  return {
    encrypt(blocks) {
      encryption ??= createCipheriv(name, key, null).setAutoPadding(false);
      return encryption.update(blocks);
    },
    decrypt(blocks) {
      decryption ??= createDecipheriv(name, key, null).setAutoPadding(false);
      return decryption.update(blocks);
    },
  };
}
