/** Trying the slots of a LUKS container takes a bounded number of hashes, whatever its header claims. */
import { expect, it } from 'vitest';
import type { Cryptography } from '../../src/crypto/cryptography.js';
import { Effort, MOST_HASHES } from '../../src/image/luks/effort.js';

/** Derives nothing, at no cost. */
const idle = {
  digestSize: () => 32,
  pbkdf2: async (_hash, _password, _salt, _iterations, length) => new Uint8Array(length),
} as Partial<Cryptography> as Cryptography;
const nothing = new Uint8Array(0);

it('a slot of two seconds on a fast machine is tried eight times, a longer key counting twice', async () => {
  const effort = new Effort(idle);
  for (let slot = 0; slot < 8; slot++)
    expect(await effort.derive('sha256', nothing, nothing, 2 ** 24, 64)).toHaveLength(64);
  await expect(effort.derive('sha256', nothing, nothing, 1, 20)).rejects.toThrow('Too many PBKDF iterations, 1:');
});

it('a single derivation that is too much is not begun', async () => {
  const effort = new Effort(idle);
  await expect(effort.derive('sha256', nothing, nothing, MOST_HASHES / 2 + 1, 33)).rejects.toThrow('Too many PBKDF');
});
