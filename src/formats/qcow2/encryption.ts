/**
 * Encryption, as far as `info` tells of it: diskloom does not decrypt.
 *
 * Specification: QEMU, docs/interop/qcow2, "Full disk encryption header pointer"; the LUKS on-disk format
 * specification, version 1.2.3, section 2 ("PHDR").
 */
import { cString, fields } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import type { Json } from '../../image/image.js';
import type { ByteSource } from '../../storage/storage.js';
import type { Span } from './extensions.js';
import type { QcowHeader } from './header.js';
import { CRYPT } from './layout.js';

const LUKS_MAGIC = 'LUKS\xba\xbe';
/** Offsets in a LUKS header are in sectors of this many bytes. */
const LUKS_SECTOR = 512;

const LUKS_HEADER = fields('big', {
  magic: [0, { bytes: 6 }],
  version: [6, 'u16'],
  cipherName: [8, { bytes: 32 }],
  cipherMode: [40, { bytes: 32 }],
  hash: [72, { bytes: 32 }],
  payloadSector: [104, 'u32'],
  keyBytes: [108, 'u32'],
  masterKeyIterations: [164, 'u32'],
  uuid: [168, { bytes: 40 }],
});

const FIRST_SLOT = 208;
const SLOTS = 8;
const SLOT_ACTIVE = 0x00ac71f3;

const LUKS_SLOT = fields('big', {
  state: [0, 'u32'],
  iterations: [4, 'u32'],
  keySector: [40, 'u32'],
  stripes: [44, 'u32'],
});

const LUKS_HEADER_SIZE = FIRST_SLOT + SLOTS * LUKS_SLOT.size;

/** Why the image cannot be read; null if it is not encrypted. */
export function encryptionRefusal(header: QcowHeader): ImageError | null {
  if (header.cryptMethod === CRYPT.none) return null;
  const name = header.cryptMethod === CRYPT.aes ? 'AES' : 'LUKS';
  return new ImageError('unsupported', `The image is encrypted (${name}); encryption is not supported`);
}

/** The `encrypt` object of `info`; null if the image is not encrypted. Throws `corrupt` for a broken LUKS header. */
export async function describeEncryption(
  source: ByteSource,
  header: QcowHeader,
): Promise<{ [key: string]: Json } | null> {
  if (header.cryptMethod === CRYPT.none) return null;
  if (header.cryptMethod === CRYPT.aes || header.extensions.encryption === null) return { format: 'aes' };
  return describeLuks(await readLuksHeader(source, header.extensions.encryption));
}

async function readLuksHeader(source: ByteSource, { offset, length }: Span): Promise<Uint8Array> {
  if (length < LUKS_HEADER_SIZE || offset + LUKS_HEADER_SIZE > source.size)
    throw corrupt('Request for data outside of extension header');
  const bytes = new Uint8Array(LUKS_HEADER_SIZE);
  await source.read(offset, bytes);
  const { magic, version } = LUKS_HEADER.read(bytes);
  if (String.fromCharCode(...magic) !== LUKS_MAGIC) throw corrupt('Volume is not in LUKS format');
  if (version !== 1) throw new ImageError('unsupported', `LUKS version ${version} is not supported`);
  return bytes;
}

function describeLuks(bytes: Uint8Array): { [key: string]: Json } {
  const header = LUKS_HEADER.read(bytes);
  // "xts-plain64", "cbc-essiv:sha256": mode, generator of initialisation vectors, and the generator's hash.
  const [mode = '', generator = ''] = cString(header.cipherMode).split('-');
  const [ivgen = '', ivgenHash] = generator.split(':');
  // XTS takes two keys, each half as long.
  const keyBits = (header.keyBytes * 8) / (mode === 'xts' ? 2 : 1);
  return {
    'ivgen-alg': ivgen,
    'detached-header': false,
    ...(ivgenHash === undefined ? {} : { 'ivgen-hash-alg': ivgenHash }),
    'hash-alg': cString(header.hash),
    'cipher-alg': `${cString(header.cipherName)}-${keyBits}`,
    uuid: cString(header.uuid),
    format: 'luks',
    'cipher-mode': mode,
    slots: Array.from({ length: SLOTS }, (_, index) => describeSlot(bytes, FIRST_SLOT + index * LUKS_SLOT.size)),
    'payload-offset': header.payloadSector * LUKS_SECTOR,
    'master-key-iters': header.masterKeyIterations,
  };
}

function describeSlot(bytes: Uint8Array, at: number): Json {
  const { state, iterations, keySector, stripes } = LUKS_SLOT.read(bytes, at);
  const keyOffset = keySector * LUKS_SECTOR;
  if (state !== SLOT_ACTIVE) return { active: false, 'key-offset': keyOffset };
  return { active: true, iters: iterations, 'key-offset': keyOffset, stripes };
}
