/** From a passphrase to the key of a LUKS container, and back into a key slot. */

import type { Cryptography } from '../../crypto/cryptography.js';
import { SectorCipher } from '../../crypto/sector-cipher.js';
import { mergeKey, splitKey } from '../../crypto/stripes.js';
import { ImageError } from '../../errors.js';
import type { ByteSource } from '../../storage/storage.js';
import { Effort } from './effort.js';
import type { KeySlot, LuksHeader } from './header.js';
import { materialLength, STRIPES } from './layout.js';

/** What of a header concerns its keys. */
export type KeyRules = Pick<
  LuksHeader,
  'cipher' | 'hash' | 'keyBytes' | 'keyDigest' | 'keySalt' | 'keyIterations' | 'slots'
>;

/**
 * The key, by the first active slot that the passphrase opens. `offset`: where the header lies in `source`. Throws
 * `denied` for a wrong passphrase, `unsupported` for what the platform or patience does not have.
 */
export async function unlockLuks(
  crypto: Cryptography,
  source: ByteSource,
  header: LuksHeader,
  passphrase: Uint8Array,
  offset = 0,
): Promise<Uint8Array> {
  requireHash(crypto, header.hash);
  const effort = new Effort(crypto);
  for (const slot of header.slots) {
    const key = await unlockSlot(crypto, source, header, slot, passphrase, offset, effort);
    if (key !== null) return key;
  }
  throw new ImageError('denied', 'Invalid password, cannot unlock any keyslot');
}

/** The key, if the slot is active and the passphrase opens it. */
export async function unlockSlot(
  crypto: Cryptography,
  source: ByteSource,
  header: LuksHeader,
  slot: KeySlot,
  passphrase: Uint8Array,
  offset = 0,
  effort = new Effort(crypto),
): Promise<Uint8Array | null> {
  if (!slot.active) return null;
  const material = new Uint8Array(materialLength(header.keyBytes));
  await source.read(offset + slot.materialOffset, material);
  const key = await openSlot(crypto, header, slot, passphrase, material, effort);
  return (await isRightKey(header, key, effort)) ? key : null;
}

/** Throws `unsupported` unless the platform has the hash. */
export function requireHash(crypto: Cryptography, hash: string): void {
  if (crypto.digestSize(hash) === null) throw new ImageError('unsupported', `Unsupported hash algorithm ${hash}`);
}

/** The key material of a slot that `passphrase` opens. */
export async function sealSlot(
  crypto: Cryptography,
  rules: Pick<KeyRules, 'cipher' | 'hash' | 'keyBytes'>,
  slot: Pick<KeySlot, 'salt' | 'iterations'>,
  passphrase: Uint8Array,
  key: Uint8Array,
): Promise<Uint8Array> {
  const material = new Uint8Array(materialLength(rules.keyBytes));
  material.set(await splitKey(crypto, rules.hash, key, STRIPES));
  const cipher = await slotCipher(crypto, rules, slot, passphrase, new Effort(crypto));
  cipher.encrypt(material, material, 0);
  return material;
}

async function openSlot(
  crypto: Cryptography,
  rules: KeyRules,
  slot: KeySlot,
  passphrase: Uint8Array,
  material: Uint8Array,
  effort: Effort,
): Promise<Uint8Array> {
  const cipher = await slotCipher(crypto, rules, slot, passphrase, effort);
  cipher.decrypt(material, material, 0);
  return mergeKey(crypto, rules.hash, material.subarray(0, rules.keyBytes * STRIPES), rules.keyBytes);
}

async function slotCipher(
  crypto: Cryptography,
  { cipher, hash, keyBytes }: Pick<KeyRules, 'cipher' | 'hash' | 'keyBytes'>,
  { salt, iterations }: Pick<KeySlot, 'salt' | 'iterations'>,
  passphrase: Uint8Array,
  effort: Effort,
): Promise<SectorCipher> {
  const slotKey = await effort.derive(hash, passphrase, salt, iterations, keyBytes);
  return SectorCipher.create(crypto, cipher, slotKey);
}

async function isRightKey(
  { hash, keySalt, keyIterations, keyDigest }: KeyRules,
  key: Uint8Array,
  effort: Effort,
): Promise<boolean> {
  const digest = await effort.derive(hash, key, keySalt, keyIterations, keyDigest.length);
  return digest.every((byte, at) => byte === keyDigest[at]);
}
