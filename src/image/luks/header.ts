/** Reading a LUKS header; what it says is checked before any of it is used. */
import { cString } from '../../bytes.js';
import { CRYPT_SECTOR, MODES, type Mode } from '../../crypto/modes.js';
import type { CipherSpec } from '../../crypto/sector-cipher.js';
import { VECTOR_GENERATORS, type VectorGenerator } from '../../crypto/vectors.js';
import { corrupt, ImageError } from '../../errors.js';
import type { ByteSource } from '../../storage/storage.js';
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
  slotOffset,
} from './layout.js';

export interface KeySlot {
  active: boolean;
  iterations: number;
  salt: Uint8Array;
  /** Byte of its key material, from the start of the header. */
  materialOffset: number;
}

export interface LuksHeader {
  /** `aes-256`, with the bits of one key; only AES can be used. */
  algorithm: string;
  cipher: CipherSpec;
  hash: string;
  /** Byte of the first encrypted sector, from the start of the header. */
  payloadOffset: number;
  keyBytes: number;
  keyDigest: Uint8Array;
  keySalt: Uint8Array;
  keyIterations: number;
  uuid: string;
  slots: readonly KeySlot[];
}

/** Hashes by their names in headers and options. */
export const HASHES = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'ripemd160', 'sm3'] as const;

/** Bytes that a key of each cipher may have. */
const KEY_SIZES: ReadonlyMap<string, readonly number[]> = new Map([
  ['aes', [16, 24, 32]],
  ['cast5', [16]],
  ['serpent', [16, 24, 32]],
  ['twofish', [16, 24, 32]],
]);

/** Whether `head` begins with a header of version 1. */
export function isLuks(head: Uint8Array): boolean {
  return head.length >= MAGIC.length + 2 && hasMagic(head) && head[6] === 0 && head[7] === 1;
}

function hasMagic(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, at) => bytes[at] === byte);
}

/**
 * Reads the header at byte `offset` of `source`. Throws `corrupt` for one that breaks the rules, `unsupported` for a
 * version, cipher, mode or hash that is not known.
 */
export async function readLuksHeader(source: ByteSource, offset = 0): Promise<LuksHeader> {
  const bytes = new Uint8Array(HEADER_SIZE);
  const stored = Math.max(0, Math.min(HEADER_SIZE, source.size - offset));
  await source.read(offset, bytes.subarray(0, stored));
  const values = HEADER.read(bytes);
  if (!hasMagic(bytes)) throw corrupt('Volume is not in LUKS format');
  if (values.version !== 1) throw new ImageError('unsupported', `LUKS version ${values.version} is not supported`);
  checkTexts(values);
  const { payloadSector, keyBytes, keyIterations, keyDigest, keySalt } = values;
  const payloadOffset = payloadSector * CRYPT_SECTOR;
  if (payloadOffset < HEADER_AREA) throw corrupt('LUKS payload is overlapping with the header');
  if (keyIterations === 0) throw corrupt('LUKS key iteration count is zero');
  const slots = readSlots(bytes, keyBytes, payloadOffset);
  const cipher = parseCipher(cString(values.cipherName), cString(values.cipherMode), keyBytes);
  const hash = known('Hash algorithm', HASHES, cString(values.hash));
  const uuid = cString(values.uuid);
  const algorithm = `${cString(values.cipherName)}-${cipher.cipherBytes * 8}`;
  return { algorithm, cipher, hash, payloadOffset, keyBytes, keyDigest, keySalt, keyIterations, uuid, slots };
}

function checkTexts(values: { cipherName: Uint8Array; cipherMode: Uint8Array; hash: Uint8Array }): void {
  const texts = [
    ['cipher name', values.cipherName],
    ['cipher mode', values.cipherMode],
    ['hash spec', values.hash],
  ] as const;
  for (const [what, bytes] of texts) if (!bytes.includes(0)) throw corrupt(`LUKS header ${what} is not NUL terminated`);
}

function readSlots(bytes: Uint8Array, keyBytes: number, payloadOffset: number): KeySlot[] {
  const slots: KeySlot[] = [];
  const area = materialArea(keyBytes);
  for (let index = 0; index < SLOT_COUNT; index++) {
    const { state, iterations, salt, materialSector, stripes } = SLOT.read(bytes, slotOffset(index));
    const materialOffset = materialSector * CRYPT_SECTOR;
    const fault = (what: string) => corrupt(`Keyslot ${index} ${what}`);
    if (stripes !== STRIPES) throw fault(`is corrupted (stripes ${stripes} != ${STRIPES})`);
    if (materialOffset < HEADER_AREA) throw fault('is overlapping with the LUKS header');
    const active = state === SLOT_STATE.active;
    if (!active && state !== SLOT_STATE.inactive) throw fault('state (active/disable) is corrupted');
    if (active && iterations === 0) throw fault('iteration count is zero');
    if (materialOffset + area > payloadOffset) throw fault('is overlapping with the encrypted payload');
    slots.push({ active, iterations, salt, materialOffset });
  }
  checkOverlaps(slots, area);
  return slots;
}

function checkOverlaps(slots: readonly KeySlot[], area: number): void {
  for (const [index, { materialOffset }] of slots.entries()) {
    const other = slots.findIndex((slot, at) => at > index && Math.abs(slot.materialOffset - materialOffset) < area);
    if (other >= 0) throw corrupt(`Keyslots ${index} and ${other} are overlapping in the header`);
  }
}

/** `aes`, `cbc-essiv:sha256`: how sectors are encrypted. */
function parseCipher(name: string, modeText: string, keyBytes: number): CipherSpec {
  const dash = modeText.indexOf('-');
  if (dash < 0) throw corrupt(`Unexpected cipher mode string format '${modeText}'`);
  const mode: Mode = known('Cipher mode', MODES, modeText.slice(0, dash));
  const [generatorName, hashName] = modeText.slice(dash + 1).split(/:(.*)/s);
  const generatorHash = hashName === undefined ? null : known('Hash algorithm', HASHES, hashName);
  const cipherBytes = mode === 'xts' ? keyBytes / 2 : keyBytes;
  if (!KEY_SIZES.get(name)?.includes(cipherBytes))
    throw new ImageError(
      'unsupported',
      `Algorithm '${name}' with key size ${Math.floor(cipherBytes)} bytes not supported`,
    );
  const generator: VectorGenerator = known('IV generator', VECTOR_GENERATORS, generatorName!);
  if (generator === 'essiv' && generatorHash === null) throw corrupt('Missing IV generator hash specification');
  return { cipherBytes, mode, generator, generatorHash };
}

function known<const T extends string>(what: string, names: readonly T[], name: string): T {
  const found = names.find((each) => each === name);
  if (found === undefined) throw new ImageError('unsupported', `${what} '${name}' not supported`);
  return found;
}
