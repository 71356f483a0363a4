/**
 * Modes of operation, many sectors a call.
 *
 * A cipher object a sector costs microseconds, as much as a hundred encrypted blocks; so each mode asks the platform
 * for blocks by the thousand and does the chaining itself. XTS: the tweaks of all sectors are computed first, blocks
 * are independent then. CBC: decrypted blocks are chained afterwards; encryption goes through the sectors side by side,
 * the first block of each, the second of each, and so on.
 *
 * Specifications: IEEE 1619 (XTS), NIST SP 800-38A (CBC, CTR, ECB).
 */
import { BLOCK, type BlockCipher, type Cryptography } from './cryptography.js';
import type { FillVectors } from './vectors.js';
import { wordsOf, xorInto } from './words.js';

/** Bytes of a sector, the unit that has a vector of its own. */
export const CRYPT_SECTOR = 512;

export const MODES = ['ecb', 'cbc', 'xts', 'ctr'] as const;

export type Mode = (typeof MODES)[number];

/** `from` and `into` hold the whole sectors from `sector` on; they may be the same memory. */
export type Transform = (from: Uint8Array, into: Uint8Array, sector: number) => void;

/** Both ways of one mode; a call takes at most `MOST_SECTORS`. */
export interface ModeTransforms {
  encrypt: Transform;
  decrypt: Transform;
}

/** Sectors a call: what it needs in memory besides its arguments fits the processor's cache. */
export const MOST_SECTORS = 128;

const BLOCKS = CRYPT_SECTOR / BLOCK;
const WORDS = BLOCK / 4;

/** The transforms of `mode` with `key`, which for XTS is two keys. */
export function modeTransforms(
  crypto: Cryptography,
  mode: Mode,
  key: Uint8Array,
  vectors: FillVectors,
): ModeTransforms {
  switch (mode) {
    case 'ecb':
      return electronicCodebook(crypto.aes(key));
    case 'cbc':
      return cipherBlockChaining(crypto.aes(key), vectors);
    case 'ctr':
      return counterMode(crypto.aes(key), vectors);
    case 'xts': {
      const half = key.length / 2;
      return tweakedCodebook(crypto.aes(key.subarray(0, half)), crypto.aes(key.subarray(half)), vectors);
    }
  }
}

function electronicCodebook(cipher: BlockCipher): ModeTransforms {
  return {
    encrypt: (from, into) => into.set(cipher.encrypt(from.slice())),
    decrypt: (from, into) => into.set(cipher.decrypt(from.slice())),
  };
}

function tweakedCodebook(cipher: BlockCipher, tweakCipher: BlockCipher, vectors: FillVectors): ModeTransforms {
  const tweakMemory = new Uint8Array(MOST_SECTORS * CRYPT_SECTOR);
  const mixedMemory = new Uint8Array(MOST_SECTORS * CRYPT_SECTOR);
  const vectorMemory = new Uint8Array(MOST_SECTORS * BLOCK);
  const transform =
    (work: (blocks: Uint8Array) => Uint8Array): Transform =>
    (from, into, sector) => {
      const firsts = vectorMemory.subarray(0, (from.length / CRYPT_SECTOR) * BLOCK);
      vectors(firsts, sector);
      const tweaks = tweakMemory.subarray(0, from.length);
      fillTweaks(tweaks, tweakCipher.encrypt(firsts));
      const mixed = mixedMemory.subarray(0, from.length);
      xorInto(mixed, from, tweaks);
      xorInto(into, work(mixed), tweaks);
    };
  return {
    encrypt: transform((blocks) => cipher.encrypt(blocks)),
    decrypt: transform((blocks) => cipher.decrypt(blocks)),
  };
}

/** From the first tweak of each sector those of all its blocks: each is the one before, times x in GF(2^128). */
function fillTweaks(tweaks: Uint8Array, firsts: Uint8Array): void {
  const target = new DataView(tweaks.buffer, tweaks.byteOffset, tweaks.length);
  const source = new DataView(firsts.buffer, firsts.byteOffset, firsts.length);
  let at = 0;
  for (let first = 0; first < firsts.length; first += BLOCK) {
    let a = source.getUint32(first, true);
    let b = source.getUint32(first + 4, true);
    let c = source.getUint32(first + 8, true);
    let d = source.getUint32(first + 12, true);
    for (const end = at + CRYPT_SECTOR; at < end; at += BLOCK) {
      target.setUint32(at, a, true);
      target.setUint32(at + 4, b, true);
      target.setUint32(at + 8, c, true);
      target.setUint32(at + 12, d, true);
      // x^128 = x^7 + x^2 + x + 1
      const carry = -(d >>> 31) & 0x87;
      d = (d << 1) | (c >>> 31);
      c = (c << 1) | (b >>> 31);
      b = (b << 1) | (a >>> 31);
      a = (a << 1) ^ carry;
    }
  }
}

function cipherBlockChaining(cipher: BlockCipher, vectors: FillVectors): ModeTransforms {
  const vectorMemory = new Uint8Array(MOST_SECTORS * BLOCK);
  const chainMemory = new Uint8Array(MOST_SECTORS * CRYPT_SECTOR);
  const startOf = (length: number, sector: number) => {
    const first = vectorMemory.subarray(0, (length / CRYPT_SECTOR) * BLOCK);
    vectors(first, sector);
    return first;
  };
  return {
    encrypt(from, into, sector) {
      const mixed = vectorMemory.subarray(0, (from.length / CRYPT_SECTOR) * BLOCK);
      let chain: Uint8Array = startOf(from.length, sector);
      for (let block = 0; block < BLOCKS; block++) {
        mixColumn(mixed, chain, from, block);
        chain = cipher.encrypt(mixed);
        putColumn(into, chain, block);
      }
    },
    decrypt(from, into, sector) {
      const first = startOf(from.length, sector);
      const chain = chainMemory.subarray(0, from.length);
      for (let at = 0, vector = 0; at < from.length; at += CRYPT_SECTOR, vector += BLOCK) {
        chain.set(first.subarray(vector, vector + BLOCK), at);
        chain.set(from.subarray(at, at + CRYPT_SECTOR - BLOCK), at + BLOCK);
      }
      xorInto(into, cipher.decrypt(from.slice()), chain);
    },
  };
}

/** `chain` holds a block a sector; `mixed` gets each of them xor block `block` of its sector in `from`. */
function mixColumn(mixed: Uint8Array, chain: Uint8Array, from: Uint8Array, block: number): void {
  const target = wordsOf(mixed);
  const previous = wordsOf(chain);
  const source = wordsOf(from);
  let at = block * WORDS;
  for (let word = 0; word < target.length; word += WORDS, at += BLOCKS * WORDS)
    for (let index = word; index < word + WORDS; index++) target[index] = previous[index]! ^ source[at + index - word]!;
}

function putColumn(into: Uint8Array, chain: Uint8Array, block: number): void {
  let at = block * BLOCK;
  for (let from = 0; from < chain.length; from += BLOCK, at += CRYPT_SECTOR)
    into.set(chain.subarray(from, from + BLOCK), at);
}

function counterMode(cipher: BlockCipher, vectors: FillVectors): ModeTransforms {
  const vectorMemory = new Uint8Array(MOST_SECTORS * BLOCK);
  const counterMemory = new Uint8Array(MOST_SECTORS * CRYPT_SECTOR);
  const transform: Transform = (from, into, sector) => {
    const firsts = vectorMemory.subarray(0, (from.length / CRYPT_SECTOR) * BLOCK);
    vectors(firsts, sector);
    const counters = counterMemory.subarray(0, from.length);
    for (let at = 0, first = 0; at < counters.length; first += BLOCK) {
      const counter = firsts.subarray(first, first + BLOCK);
      for (const end = at + CRYPT_SECTOR; at < end; at += BLOCK) {
        counters.set(counter, at);
        increment(counter);
      }
    }
    xorInto(into, from, cipher.encrypt(counters));
  };
  return { encrypt: transform, decrypt: transform };
}

/** Adds one to a big-endian number. */
function increment(counter: Uint8Array): void {
  for (let at = counter.length - 1; at >= 0; at--) {
    counter[at]!++;
    if (counter[at] !== 0) return;
  }
}
