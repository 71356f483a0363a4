/**
 * The anti-forensic splitter: a key spread over so many bytes that a disk hardly keeps all of them once overwritten.
 *
 * All stripes but the last are random; each is mixed in and diffused by a hash; the last one makes it come out as the
 * key. Specification: LUKS on-disk format 1.2.3, section 2.4.
 */
import { viewOf } from '../bytes.js';
import type { Cryptography } from './cryptography.js';

/** `stripes` stripes, each as long as the key. */
export async function splitKey(
  crypto: Cryptography,
  hash: string,
  key: Uint8Array,
  stripes: number,
): Promise<Uint8Array> {
  const split = new Uint8Array(key.length * stripes);
  const random = split.subarray(0, key.length * (stripes - 1));
  for (let at = 0; at < random.length; at += RANDOM_PIECE)
    random.set(crypto.random(Math.min(RANDOM_PIECE, random.length - at)), at);
  const mixed = await mixStripes(crypto, hash, random, key.length);
  for (let at = 0; at < key.length; at++) split[random.length + at] = mixed[at]! ^ key[at]!;
  return split;
}

/** The key that `split`, made of stripes of `length` bytes, holds. */
export async function mergeKey(
  crypto: Cryptography,
  hash: string,
  split: Uint8Array,
  length: number,
): Promise<Uint8Array> {
  const key = await mixStripes(crypto, hash, split.subarray(0, split.length - length), length);
  const last = split.subarray(split.length - length);
  for (let at = 0; at < length; at++) key[at]! ^= last[at]!;
  return key;
}

/** Random bytes that are asked for at once: a browser gives no more. */
const RANDOM_PIECE = 65536;

async function mixStripes(
  crypto: Cryptography,
  hash: string,
  stripes: Uint8Array,
  length: number,
): Promise<Uint8Array> {
  const mixed = new Uint8Array(length);
  for (let stripe = 0; stripe < stripes.length; stripe += length) {
    for (let at = 0; at < length; at++) mixed[at]! ^= stripes[stripe + at]!;
    await diffuse(crypto, hash, mixed);
  }
  return mixed;
}

/** Replaces each piece of a digest's size by the hash of its number and itself. */
async function diffuse(crypto: Cryptography, hash: string, bytes: Uint8Array): Promise<void> {
  const size = crypto.digestSize(hash)!;
  for (let at = 0, number = 0; at < bytes.length; at += size, number++) {
    const piece = bytes.subarray(at, at + size);
    const message = new Uint8Array(4 + piece.length);
    viewOf(message).setUint32(0, number);
    message.set(piece, 4);
    const pending = crypto.hash(hash, message);
    const digest = pending instanceof Promise ? await pending : pending;
    piece.set(digest.subarray(0, piece.length));
  }
}
