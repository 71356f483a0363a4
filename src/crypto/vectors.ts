/**
 * Initialisation vectors: one a sector, made of the sector's number.
 *
 * Specification: the Linux kernel's dm-crypt, "IV generators": plain (the number in 32 bits), plain64 (in 64 bits) and
 * essiv (the 64-bit number, encrypted with the hash of the key).
 */
import { viewOf } from '../bytes.js';
import { ImageError } from '../errors.js';
import { BLOCK, type Cryptography } from './cryptography.js';

export const VECTOR_GENERATORS = ['plain', 'plain64', 'essiv'] as const;

export type VectorGenerator = (typeof VECTOR_GENERATORS)[number];

/** Fills `into` with the vectors, a block each, of the sectors from `sector` on. */
export type FillVectors = (into: Uint8Array, sector: number) => void;

/** `hash`: of essiv only. Throws `unsupported` if its digest is no key of AES. */
export async function vectorGenerator(
  crypto: Cryptography,
  generator: VectorGenerator,
  hash: string | null,
  key: Uint8Array,
): Promise<FillVectors> {
  if (generator !== 'essiv') return (into, sector) => fillNumbers(into, sector, generator === 'plain64');
  const size = crypto.digestSize(hash!);
  if (size !== 16 && size !== 24 && size !== 32)
    throw new ImageError('unsupported', `No AES cipher with key size ${size} available`);
  const cipher = crypto.aes(await crypto.hash(hash!, key));
  return (into, sector) => {
    fillNumbers(into, sector, true);
    into.set(cipher.encrypt(into));
  };
}

function fillNumbers(into: Uint8Array, sector: number, wide: boolean): void {
  const view = viewOf(into);
  into.fill(0);
  for (let at = 0, number = sector; at < into.length; at += BLOCK, number++) {
    view.setUint32(at, number >>> 0, true);
    if (wide) view.setUint32(at + 4, Math.floor(number / 0x1_0000_0000), true);
  }
}
