/**
 * The header of a LUKS container, version 1.
 *
 *     0        header: cipher, key check value, eight key slots
 *     4096     key material of slot 0: the key, split, encrypted with the slot's passphrase
 *     ...      key material of slots 1 to 7, each on a boundary of 4096 bytes
 *     payload  the disk's sectors, encrypted
 *
 * Specification: LUKS on-disk format 1.2.3, sections 2.2 and 2.3. Numbers are big-endian, offsets are in sectors of 512
 * bytes.
 */
import { fields, roundUp } from '../../bytes.js';
import { CRYPT_SECTOR } from '../../crypto/modes.js';

export const MAGIC = new Uint8Array([0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]);

export const HEADER = fields('big', {
  magic: [0, { bytes: 6 }],
  version: [6, 'u16'],
  cipherName: [8, { bytes: 32 }],
  /** `xts-plain64`, `cbc-essiv:sha256`: mode, generator of vectors, the generator's hash. */
  cipherMode: [40, { bytes: 32 }],
  /** Of key derivation, key check and splitter. */
  hash: [72, { bytes: 32 }],
  payloadSector: [104, 'u32'],
  keyBytes: [108, 'u32'],
  /** PBKDF2 of the key: tells a right passphrase from a wrong one. */
  keyDigest: [112, { bytes: 20 }],
  keySalt: [132, { bytes: 32 }],
  keyIterations: [164, 'u32'],
  /** As text. */
  uuid: [168, { bytes: 40 }],
});

export const SLOT_COUNT = 8;

export const SLOT = fields('big', {
  state: [0, 'u32'],
  iterations: [4, 'u32'],
  salt: [8, { bytes: 32 }],
  materialSector: [40, 'u32'],
  stripes: [44, 'u32'],
});

export const SLOT_STATE = { active: 0x00ac71f3, inactive: 0x0000dead } as const;

const FIRST_SLOT = 208;

/** Byte of slot `index` in the header. */
export function slotOffset(index: number): number {
  return FIRST_SLOT + index * SLOT.size;
}

/** Bytes that the header's fields take. */
export const HEADER_SIZE = slotOffset(SLOT_COUNT);

/** Bytes kept for the header; key material begins on multiples of it. */
export const HEADER_AREA = 4096;

/** The only number that is in use. */
export const STRIPES = 4000;

/** Bytes of key material, whole sectors. */
export function materialLength(keyBytes: number): number {
  return roundUp(keyBytes * STRIPES, CRYPT_SECTOR);
}

/** Bytes kept for the key material of one slot. */
export function materialArea(keyBytes: number): number {
  return roundUp(keyBytes * STRIPES, HEADER_AREA);
}

/** Sectors of `bytes` bytes, which are whole sectors. */
export function sectorsOf(bytes: number): number {
  return bytes / CRYPT_SECTOR;
}
