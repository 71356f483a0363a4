/** Modes of operation against OpenSSL, one sector at a time; both platforms' AES against each other. */
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Cryptography } from '../../src/crypto/cryptography.js';
import type { Mode } from '../../src/crypto/modes.js';
import { SectorCipher } from '../../src/crypto/sector-cipher.js';
import { mergeKey, splitKey } from '../../src/crypto/stripes.js';
import type { VectorGenerator } from '../../src/crypto/vectors.js';
import { nodeCryptography } from '../../src/platform/node/cryptography.js';
import { webCryptography } from '../../src/platform/web/cryptography.js';

const platforms: [string, Cryptography][] = [
  ['Node', nodeCryptography],
  ['a browser', webCryptography],
];

const SECTOR = 512;
/** More than a batch, and not a multiple of one. */
const SECTORS = 300;
const FIRST = 0x1_0000_0000 - 7;

/** The vector of one sector, as dm-crypt defines it. */
function vectorOf(generator: VectorGenerator, sector: number, key: Uint8Array): Buffer {
  const number = Buffer.alloc(16);
  number.writeBigUInt64LE(BigInt(sector));
  if (generator === 'plain') number.fill(0, 4);
  if (generator !== 'essiv') return number;
  const cipher = createCipheriv('aes-256-ecb', createHash('sha256').update(key).digest(), null);
  return cipher.setAutoPadding(false).update(number);
}

function encryptedByOpenSsl(mode: Mode, generator: VectorGenerator, key: Uint8Array, plain: Uint8Array): Buffer {
  const bits = mode === 'xts' ? key.length * 4 : key.length * 8;
  const sectors: Buffer[] = [];
  for (let at = 0; at < plain.length; at += SECTOR) {
    const vector = mode === 'ecb' ? null : vectorOf(generator, FIRST + at / SECTOR, key);
    const cipher = createCipheriv(`aes-${bits}-${mode}`, key, vector).setAutoPadding(false);
    sectors.push(cipher.update(plain.subarray(at, at + SECTOR)));
  }
  return Buffer.concat(sectors);
}

describe.each(platforms)('sectors encrypted by %s', (_, crypto) => {
  const cases: [Mode, VectorGenerator, number][] = [
    ['xts', 'plain64', 32],
    ['xts', 'plain', 16],
    ['xts', 'essiv', 32],
    ['cbc', 'essiv', 32],
    ['cbc', 'plain64', 16],
    ['cbc', 'plain', 24],
    ['ctr', 'plain64', 32],
    ['ecb', 'plain', 16],
  ];

  it.each(cases)('%s with %s vectors and keys of %i bytes', async (mode, generator, cipherBytes) => {
    const key = new Uint8Array(randomBytes(mode === 'xts' ? 2 * cipherBytes : cipherBytes));
    const plain = new Uint8Array(randomBytes(SECTORS * SECTOR));
    const spec = { cipherBytes, mode, generator, generatorHash: generator === 'essiv' ? 'sha256' : null };
    const cipher = await SectorCipher.create(crypto, spec, key);
    const encrypted = new Uint8Array(plain.length);
    cipher.encrypt(plain, encrypted, FIRST);
    expect(Buffer.compare(encrypted, encryptedByOpenSsl(mode, generator, key, plain))).toBe(0);
    cipher.decrypt(encrypted, encrypted, FIRST);
    expect(Buffer.compare(encrypted, plain)).toBe(0);
  });

  it('a key goes through the splitter and comes back', async () => {
    const key = new Uint8Array(randomBytes(48));
    const split = await splitKey(crypto, 'sha256', key, 50);
    expect(split.length).toBe(48 * 50);
    expect(Buffer.compare(await mergeKey(nodeCryptography, 'sha256', split, 48), key)).toBe(0);
    split[7]! ^= 1;
    expect(Buffer.compare(await mergeKey(nodeCryptography, 'sha256', split, 48), key)).not.toBe(0);
  });

  it('derives keys and hashes as Node does', async () => {
    const salt = new Uint8Array(randomBytes(32));
    const password = new TextEncoder().encode('pass phrase');
    for (const hash of ['sha1', 'sha256', 'sha512']) {
      const expected = await nodeCryptography.pbkdf2(hash, password, salt, 1000, 40);
      expect(Buffer.from(await crypto.pbkdf2(hash, password, salt, 1000, 40))).toEqual(Buffer.from(expected));
      expect(Buffer.from(await crypto.hash(hash, salt))).toEqual(Buffer.from(await nodeCryptography.hash(hash, salt)));
      expect(crypto.digestSize(hash)).toBe((await crypto.hash(hash, salt)).length);
    }
  });
});

it('memory that is not aligned, or in the same place, gives the same', async () => {
  const key = new Uint8Array(randomBytes(64));
  const spec = { cipherBytes: 32, mode: 'xts', generator: 'plain64', generatorHash: null } as const;
  const cipher = await SectorCipher.create(nodeCryptography, spec, key);
  const memory = new Uint8Array(randomBytes(8 * SECTOR + 1));
  const plain = memory.slice(1);
  cipher.encrypt(memory.subarray(1), memory.subarray(1), FIRST);
  expect(Buffer.compare(memory.subarray(1), encryptedByOpenSsl('xts', 'plain64', key, plain))).toBe(0);
});
