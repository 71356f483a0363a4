/**
 * Cryptography: what encrypted images need of the platform.
 *
 * A platform brings the primitives: AES a block at a time, hashes, a slow key derivation, random bytes. Modes of
 * operation, initialisation vectors and containers are built on them here, alike for all platforms.
 */
import type { MaybePromise } from '../maybe.js';

/** Bytes of a block of AES. */
export const BLOCK = 16;

/** AES with one key, block by block (ECB): only good as a part of a mode of operation. */
export interface BlockCipher {
  /** `blocks` holds whole blocks; the result is as long and stays valid until the next call. */
  encrypt(blocks: Uint8Array): Uint8Array;
  decrypt(blocks: Uint8Array): Uint8Array;
}

export interface Cryptography {
  /** AES-128, -192 or -256, by the key's length. */
  aes(key: Uint8Array): BlockCipher;
  /** Bytes of a digest by the hash's name (`sha256`); null: the platform does not have it. */
  digestSize(hash: string): number | null;
  hash(hash: string, bytes: Uint8Array): MaybePromise<Uint8Array>;
  /** RFC 8018, with HMAC of `hash`; `length` in bytes. */
  pbkdf2(hash: string, password: Uint8Array, salt: Uint8Array, iterations: number, length: number): Promise<Uint8Array>;
  /** Bytes that nobody can guess. */
  random(length: number): Uint8Array;
}
