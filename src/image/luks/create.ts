/** A new LUKS container: a random key, and one slot that a passphrase opens. */
import type { Cryptography } from '../../crypto/cryptography.js';
import { type CipherSpec, keyLength, SectorCipher } from '../../crypto/sector-cipher.js';
import { markUuid } from '../uuid.js';
import {
  HEADER,
  HEADER_AREA,
  HEADER_SIZE,
  MAGIC,
  materialArea,
  SLOT,
  SLOT_COUNT,
  SLOT_STATE,
  STRIPES,
  sectorsOf,
  slotOffset,
} from './layout.js';
import type { LuksOptions } from './options.js';
import { sealSlot } from './unlock.js';

/** What is to be stored, and what encrypts the disk. */
export interface NewLuks {
  /** The header's fields, `HEADER_SIZE` bytes from its start. */
  header: Uint8Array;
  /** Key material of the first slot, at byte `HEADER_AREA`. */
  material: Uint8Array;
  payloadOffset: number;
  cipher: SectorCipher;
}

/** Iterations are never fewer, however short the time. */
const LEAST_ITERATIONS = 1000;
/** Checking the key takes this part of the time that a slot takes. */
const KEY_CHECK_SHARE = 8;
const SALT_SIZE = 32;
const DIGEST_SIZE = 20;

/** Byte of the first encrypted sector in a container with such a cipher. */
export function payloadOffsetOf(cipher: CipherSpec): number {
  return HEADER_AREA + SLOT_COUNT * materialArea(keyLength(cipher));
}

/** Makes a container in memory. It takes some time: `iterationTime` and a little more. */
export async function createLuks(crypto: Cryptography, options: LuksOptions, passphrase: Uint8Array): Promise<NewLuks> {
  const { cipher: spec, hash, iterationTime } = options;
  const key = crypto.random(keyLength(spec));
  const cipher = await SectorCipher.create(crypto, spec, key);
  const keyIterations = await iterationsFor(crypto, hash, DIGEST_SIZE, iterationTime / KEY_CHECK_SHARE);
  const slot = await newSlot(crypto, hash, key.length, iterationTime);
  const material = await sealSlot(crypto, { cipher: spec, hash, keyBytes: key.length }, slot, passphrase, key);
  const keySalt = crypto.random(SALT_SIZE);
  const keyDigest = await crypto.pbkdf2(hash, key, keySalt, keyIterations, DIGEST_SIZE);
  const header = writeHeader(spec, hash, { keyDigest, keySalt, keyIterations, uuid: text(randomUuid(crypto), 40) });
  SLOT.write(header, { state: SLOT_STATE.active, ...slot }, slotOffset(0));
  return { header, material, payloadOffset: payloadOffsetOf(spec), cipher };
}

/** What makes a passphrase a slot's key: `iterationTime` milliseconds of work. */
export async function newSlot(
  crypto: Cryptography,
  hash: string,
  keyBytes: number,
  iterationTime: number,
): Promise<{ iterations: number; salt: Uint8Array }> {
  const iterations = await iterationsFor(crypto, hash, keyBytes, iterationTime);
  return { iterations, salt: crypto.random(SALT_SIZE) };
}

interface KeyCheck {
  keyDigest: Uint8Array;
  keySalt: Uint8Array;
  keyIterations: number;
  uuid: Uint8Array;
}

function writeHeader(spec: CipherSpec, hash: string, check: KeyCheck): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  const { mode, generator, generatorHash } = spec;
  const keyBytes = keyLength(spec);
  HEADER.write(bytes, {
    magic: MAGIC,
    version: 1,
    cipherName: text('aes', 32),
    cipherMode: text(`${mode}-${generator}${generatorHash === null ? '' : `:${generatorHash}`}`, 32),
    hash: text(hash, 32),
    payloadSector: sectorsOf(payloadOffsetOf(spec)),
    keyBytes,
    ...check,
  });
  for (let index = 0; index < SLOT_COUNT; index++) {
    const materialSector = sectorsOf(HEADER_AREA + index * materialArea(keyBytes));
    SLOT.write(bytes, { state: SLOT_STATE.inactive, materialSector, stripes: STRIPES }, slotOffset(index));
  }
  return bytes;
}

function text(value: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(new TextEncoder().encode(value));
  return bytes;
}

/** Iterations that take this machine `time` milliseconds, for a key of `length` bytes. */
async function iterationsFor(crypto: Cryptography, hash: string, length: number, time: number): Promise<number> {
  const iterations = Math.round(time * (await iterationSpeed(crypto, hash, length)));
  return Math.min(Math.max(iterations, LEAST_ITERATIONS), 0xffff_ffff);
}

/** Iterations a millisecond that this machine does, for a key of `length` bytes. */
async function iterationSpeed(crypto: Cryptography, hash: string, length: number): Promise<number> {
  const sample = new Uint8Array(SALT_SIZE);
  for (let iterations = 4096; ; iterations *= 2) {
    const start = performance.now();
    await crypto.pbkdf2(hash, sample, sample, iterations, length);
    const elapsed = performance.now() - start;
    if (elapsed >= MEASURING_TIME) return iterations / elapsed;
  }
}

/** Milliseconds. */
const MEASURING_TIME = 20;

/** RFC 9562, version 4. */
function randomUuid(crypto: Cryptography): string {
  const bytes = markUuid(crypto.random(16), 4);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
