/**
 * Header extensions: tagged data between the header's fields and the backing file name.
 *
 * Specification: QEMU, docs/interop/qcow2, "Header extensions" and what follows it. An unknown extension is kept as it
 * is; the feature name table is not kept but written anew, since it describes what the writer knows.
 */
import { cString, roundUp } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import {
  AUTOCLEAR,
  BITMAPS_EXTENSION,
  CRYPT,
  ENCRYPTION_POINTER,
  EXTENSION,
  EXTENSION_HEAD,
  FEATURE_NAME,
  LIMITS,
} from './layout.js';

/** A place in the file, in bytes. */
export interface Span {
  offset: number;
  length: number;
}

export interface BitmapsExtension {
  count: number;
  directorySize: number;
  directoryOffset: number;
}

export interface HeaderExtensions {
  backingFormat: string | null;
  /** Name of the external data file. */
  dataFile: string | null;
  /** The LUKS header. */
  encryption: Span | null;
  /** null also where the autoclear bit says that the bitmaps are out of date. */
  bitmaps: BitmapsExtension | null;
  unknown: { magic: number; data: Uint8Array }[];
}

/** The header fields that decide how extensions are read. */
interface Circumstances {
  clusterBits: number;
  cryptMethod: number;
  autoclearFeatures: bigint;
}

export function noExtensions(): HeaderExtensions {
  return { backingFormat: null, dataFile: null, encryption: null, bitmaps: null, unknown: [] };
}

/** Walks the extensions up to the end mark or the end of the area; data that leaves the area throws `corrupt`. */
function* extensionsIn(area: Uint8Array): Generator<{ magic: number; data: Uint8Array }> {
  let at = 0;
  while (at < area.length) {
    if (at + EXTENSION_HEAD.size > area.length) throw corrupt('Header extension too large');
    const { magic, length } = EXTENSION_HEAD.read(area, at);
    at += EXTENSION_HEAD.size;
    if (length > area.length - at) throw corrupt('Header extension too large');
    if (magic === EXTENSION.end) return;
    yield { magic, data: area.subarray(at, at + length) };
    at += roundUp(length, 8);
  }
}

/** Reads and checks all extensions of `area`, which begins behind the header's fields. */
export function readExtensions(area: Uint8Array, header: Circumstances): HeaderExtensions {
  const found = noExtensions();
  for (const { magic, data } of extensionsIn(area)) {
    switch (magic) {
      case EXTENSION.backingFormat:
        found.backingFormat = readBackingFormat(data);
        break;
      case EXTENSION.dataFile:
        found.dataFile = cString(data);
        break;
      case EXTENSION.encryption:
        found.encryption = readEncryptionPointer(data, header);
        break;
      case EXTENSION.bitmaps:
        found.bitmaps = readBitmapsExtension(data, header);
        break;
      case EXTENSION.featureNames:
        break;
      default:
        found.unknown.push({ magic, data: data.slice() });
    }
  }
  return found;
}

export interface FeatureName {
  /** 0 incompatible, 1 compatible, 2 autoclear. */
  type: number;
  bit: number;
  name: string;
}

/** The names that the image gives to feature bits; empty if it has none or if the extensions are damaged. */
export function readFeatureNames(area: Uint8Array): FeatureName[] {
  const names: FeatureName[] = [];
  try {
    for (const { magic, data } of extensionsIn(area)) {
      if (magic === EXTENSION.featureNames) names.splice(0, names.length, ...featureNamesIn(data));
    }
  } catch {
    // The bits are refused anyway; broken extensions only cost their names.
  }
  return names;
}

/** The last name may be cut short where the table ends. */
function* featureNamesIn(data: Uint8Array): Generator<FeatureName> {
  const table = new Uint8Array(roundUp(data.length, FEATURE_NAME.size));
  table.set(data);
  for (let at = 0; at < table.length; at += FEATURE_NAME.size) {
    const { type, bit, name } = FEATURE_NAME.read(table, at);
    if (name[0] === 0) return;
    yield { type, bit, name: cString(name) };
  }
}

function readBackingFormat(data: Uint8Array): string {
  const tooLong = LIMITS.backingFormat + 1;
  if (data.length >= tooLong) throw corrupt(`ERROR: ext_backing_format: len=${data.length} too large (>=${tooLong})`);
  return cString(data);
}

function readEncryptionPointer(data: Uint8Array, header: Circumstances): Span {
  if (header.cryptMethod !== CRYPT.luks)
    throw corrupt('CRYPTO header extension only expected with LUKS encryption method');
  const size = ENCRYPTION_POINTER.size;
  if (data.length !== size) throw corrupt(`CRYPTO header extension size ${data.length}, but expected size ${size}`);
  const { offset, length } = ENCRYPTION_POINTER.read(data);
  const clusterSize = 2 ** header.clusterBits;
  if (offset % BigInt(clusterSize) !== 0n)
    throw corrupt(`Encryption header offset '${offset}' is not a multiple of cluster size '${clusterSize}'`);
  if (offset + length > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt('Request for data outside of extension header');
  return { offset: Number(offset), length: Number(length) };
}

function readBitmapsExtension(data: Uint8Array, header: Circumstances): BitmapsExtension | null {
  if (data.length !== BITMAPS_EXTENSION.size) throw corrupt('bitmaps_ext: Invalid extension length');
  if ((header.autoclearFeatures & AUTOCLEAR.bitmaps) === 0n) return null;
  const { count, reserved, directorySize, directoryOffset } = BITMAPS_EXTENSION.read(data);
  if (reserved !== 0) throw corrupt('bitmaps_ext: Reserved field is not zero');
  if (count > LIMITS.bitmaps) {
    const excess = `exceeding the QEMU supported maximum of ${LIMITS.bitmaps}`;
    throw corrupt(`bitmaps_ext: Image has ${count} bitmaps, ${excess}`);
  }
  if (count === 0) throw corrupt('found bitmaps extension with zero bitmaps');
  const isAligned = directoryOffset % BigInt(2 ** header.clusterBits) === 0n;
  if (!isAligned || directoryOffset > BigInt(Number.MAX_SAFE_INTEGER))
    throw corrupt('bitmaps_ext: invalid bitmap directory offset');
  if (directorySize > BigInt(LIMITS.bitmapDirectoryBytes)) {
    const excess = `exceeds the maximum supported size (${LIMITS.bitmapDirectoryBytes})`;
    throw corrupt(`bitmaps_ext: bitmap directory size (${directorySize}) ${excess}`);
  }
  return { count, directorySize: Number(directorySize), directoryOffset: Number(directoryOffset) };
}

/** The bits that this program knows; type, bit and name as QEMU writes them into every new image. */
const FEATURE_NAMES: readonly FeatureName[] = [
  { type: 0, bit: 0, name: 'dirty bit' },
  { type: 0, bit: 1, name: 'corrupt bit' },
  { type: 0, bit: 2, name: 'external data file' },
  { type: 0, bit: 3, name: 'compression type' },
  { type: 0, bit: 4, name: 'extended L2 entries' },
  { type: 1, bit: 0, name: 'lazy refcounts' },
  { type: 2, bit: 0, name: 'bitmaps' },
  { type: 2, bit: 1, name: 'raw external data' },
];

/** Up to this cluster size a feature name table would leave no room for a backing file name. */
const LARGEST_CLUSTER_WITHOUT_NAMES = 4096;

const utf8 = new TextEncoder();

/** The extensions in QEMU's order, end mark included, as they follow the header's fields. */
export function writeExtensions(extensions: HeaderExtensions, version: 2 | 3, clusterSize: number): Uint8Array {
  const parts: Uint8Array[] = [];
  const add = (magic: number, data: Uint8Array) => parts.push(extensionBytes(magic, data));
  const { backingFormat, dataFile, encryption, bitmaps, unknown } = extensions;
  if (backingFormat !== null) add(EXTENSION.backingFormat, utf8.encode(backingFormat));
  if (dataFile !== null) add(EXTENSION.dataFile, utf8.encode(dataFile));
  if (encryption !== null) add(EXTENSION.encryption, encryptionBytes(encryption));
  if (version >= 3 && clusterSize > LARGEST_CLUSTER_WITHOUT_NAMES) add(EXTENSION.featureNames, featureNameBytes());
  if (bitmaps !== null) add(EXTENSION.bitmaps, bitmapsBytes(bitmaps));
  for (const { magic, data } of unknown) add(magic, data);
  add(EXTENSION.end, new Uint8Array(0));
  return concatenated(parts);
}

function extensionBytes(magic: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(EXTENSION_HEAD.size + roundUp(data.length, 8));
  EXTENSION_HEAD.write(bytes, { magic, length: data.length });
  bytes.set(data, EXTENSION_HEAD.size);
  return bytes;
}

function encryptionBytes({ offset, length }: Span): Uint8Array {
  const bytes = new Uint8Array(ENCRYPTION_POINTER.size);
  ENCRYPTION_POINTER.write(bytes, { offset: BigInt(offset), length: BigInt(length) });
  return bytes;
}

function bitmapsBytes({ count, directorySize, directoryOffset }: BitmapsExtension): Uint8Array {
  const bytes = new Uint8Array(BITMAPS_EXTENSION.size);
  BITMAPS_EXTENSION.write(bytes, {
    count,
    directorySize: BigInt(directorySize),
    directoryOffset: BigInt(directoryOffset),
  });
  return bytes;
}

function featureNameBytes(): Uint8Array {
  const bytes = new Uint8Array(FEATURE_NAMES.length * FEATURE_NAME.size);
  for (const [index, { type, bit, name }] of FEATURE_NAMES.entries())
    FEATURE_NAME.write(bytes, { type, bit, name: utf8.encode(name) }, index * FEATURE_NAME.size);
  return bytes;
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
