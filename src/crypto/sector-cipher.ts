/** Encrypted sectors of 512 bytes: a cipher, a mode, a source of initialisation vectors. */
import { ImageError } from '../errors.js';
import type { Cryptography } from './cryptography.js';
import { CRYPT_SECTOR, MOST_SECTORS, type Mode, modeTransforms, type Transform } from './modes.js';
import { type VectorGenerator, vectorGenerator } from './vectors.js';

/** How sectors are encrypted, with AES. */
export interface CipherSpec {
  /** Of one key of the cipher, in bytes: 16, 24 or 32. */
  cipherBytes: number;
  mode: Mode;
  generator: VectorGenerator;
  /** Of essiv; null for the other generators. */
  generatorHash: string | null;
}

/** Bytes of the key: XTS takes two keys of AES. */
export function keyLength({ cipherBytes, mode }: CipherSpec): number {
  return mode === 'xts' ? 2 * cipherBytes : cipherBytes;
}

/** Encrypts and decrypts whole sectors; they are counted from where the container says. */
export class SectorCipher {
  readonly #encrypt: Transform;
  readonly #decrypt: Transform;

  private constructor(transforms: { encrypt: Transform; decrypt: Transform }) {
    this.#encrypt = transforms.encrypt;
    this.#decrypt = transforms.decrypt;
  }

  /** Throws `unsupported` for what the platform does not have. */
  static async create(crypto: Cryptography, spec: CipherSpec, key: Uint8Array): Promise<SectorCipher> {
    const { generator, generatorHash, mode } = spec;
    if (key.length !== keyLength(spec))
      throw new ImageError('invalid', `Cipher key length ${key.length} should be ${keyLength(spec)}`);
    const vectors = await vectorGenerator(crypto, generator, generatorHash, key);
    return new SectorCipher(modeTransforms(crypto, mode, key, vectors));
  }

  /** `from` and `into` are as long as each other, whole sectors, and may be the same memory. */
  encrypt(from: Uint8Array, into: Uint8Array, sector: number): void {
    inBatches(this.#encrypt, from, into, sector);
  }

  decrypt(from: Uint8Array, into: Uint8Array, sector: number): void {
    inBatches(this.#decrypt, from, into, sector);
  }
}

function inBatches(transform: Transform, from: Uint8Array, into: Uint8Array, sector: number): void {
  const most = MOST_SECTORS * CRYPT_SECTOR;
  for (let at = 0; at < from.length; at += most) {
    const end = Math.min(at + most, from.length);
    transform(from.subarray(at, end), into.subarray(at, end), sector + at / CRYPT_SECTOR);
  }
}
