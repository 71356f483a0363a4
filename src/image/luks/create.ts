/** A new LUKS container: a random key, and one slot that a passphrase opens. */
import type { Cryptography } from '../../crypto/cryptography.js';
import { type CipherSpec, keyLength, SectorCipher } from '../../crypto/sector-cipher.js';
import { ImageError } from '../../errors.js';
import { markUuid } from '../uuid.js';
import { hashesOf, MOST_HASHES } from './effort.js';
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
  const slot = await newSlot(crypto, hash, key.length, iterationTime);
  const keyIterations = await iterationsFor(crypto, hash, DIGEST_SIZE, iterationTime / KEY_CHECK_SHARE);
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

/** Iterations that take this machine `time` milliseconds, for a key of `length` bytes. Throws `invalid`. */
async function iterationsFor(crypto: Cryptography, hash: string, length: number, time: number): Promise<number> {
  const iterations = Math.max(Math.round(time * (await iterationSpeed(crypto, hash, length))), LEAST_ITERATIONS);
  // the key and its check together must not be more than can be tried
  if (hashesOf(crypto, hash, iterations, length) > MOST_HASHES / 2)
    throw new ImageError('invalid', `iter-time ${time} is too large: the image could not be opened again`);
  return iterations;
}

/**
 * Iterations a millisecond that this machine does, for a key of `length` bytes: the most of some trials, as a busy machine
 * must not make weak keys.
 */
async function iterationSpeed(crypto: Cryptography, hash: string, length: number): Promise<number> {
  const sample = new Uint8Array(SALT_SIZE);
  let fastest = 0;
  for (let iterations = 4096, trials = 0; trials < TRIALS; ) {
    const start = performance.now();
    await crypto.pbkdf2(hash, sample, sample, iterations, length);
    const elapsed = performance.now() - start;
    fastest = Math.max(fastest, iterations / elapsed);
    if (elapsed >= MEASURING_TIME) trials++;
    if (iterations / fastest < MEASURING_TIME) iterations *= 2;
  }
  return fastest;
}

const TRIALS = 3;
/** Milliseconds of a trial. */
const MEASURING_TIME = 20;

/** RFC 9562, version 4. */
function randomUuid(crypto: Cryptography): string {
  const bytes = markUuid(crypto.random(16), 4);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
