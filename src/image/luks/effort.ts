/**
 * How much work deriving keys may be. A header claims how many iterations there are, up to 2^32 in each of eight slots and
 * once more for each check of a key: days of work, which nothing can interrupt.
 *
 * cryptsetup and QEMU take as many iterations as their machine does in two seconds, unless told otherwise: at most some 2^24
 * hashes a slot today. What is allowed is a minute's work of an ordinary machine, eight such slots and more.
 */
import type { Cryptography } from '../../crypto/cryptography.js';
import { ImageError } from '../../errors.js';

/** Hashes, in all that it takes to try a passphrase. */
export const MOST_HASHES = 2 ** 28;

/** What a trial of one passphrase has left. */
export class Effort {
  #left = MOST_HASHES;

  constructor(private readonly crypto: Cryptography) {}

  /** PBKDF2. Throws `unsupported` if that would be too much. */
  async derive(
    hash: string,
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    length: number,
  ): Promise<Uint8Array> {
    this.#left -= hashesOf(this.crypto, hash, iterations, length);
    if (this.#left < 0)
      throw new ImageError(
        'unsupported',
        `Too many PBKDF iterations, ${iterations}: trying the keys would take too long`,
      );
    return this.crypto.pbkdf2(hash, password, salt, iterations, length);
  }
}

/** Each piece of a digest's size is derived by itself. */
export function hashesOf(crypto: Cryptography, hash: string, iterations: number, length: number): number {
  return iterations * Math.ceil(length / (crypto.digestSize(hash) ?? 1));
}
