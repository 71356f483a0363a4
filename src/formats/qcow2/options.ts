/**
 * Create options of qcow2: the table, and what the values must satisfy.
 *
 * Names, help, checks and texts are those of `qemu-img create -f qcow2`; the order of the checks too, since only the
 * first failure is told.
 */
import { isPowerOfTwo } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { CreateRequest } from '../../image/driver.js';
import { checkEncryptionAlias } from '../../image/encryption.js';
import { luksOptionRows } from '../../image/luks/options.js';
import type { OptionTable, OptionValues } from '../../image/options.js';
import type { Compression } from './header.js';
import { LIMITS, SUBCLUSTERS } from './layout.js';

const PREALLOCATION = ['off', 'metadata', 'falloc', 'full'] as const;
const COMPRESSION = ['zlib', 'zstd'] as const;
export const DEFAULT_CLUSTER_SIZE = 64 * 1024;
export const DEFAULT_REFCOUNT_BITS = 16;

export type QcowPreallocation = (typeof PREALLOCATION)[number];

/** In the order in which `qemu-img create` prints what it is going to make. */
export const createOptions: OptionTable = [
  {
    name: 'encryption',
    type: 'bool',
    help: "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)",
  },
  {
    name: 'encrypt.format',
    type: 'string',
    help: "Encrypt the image, format choices: 'aes', 'luks'",
    values: ['aes', 'luks'],
  },
  { name: 'encrypt.key-secret', type: 'text', help: 'ID of secret providing qcow AES key or LUKS passphrase' },
  ...luksOptionRows('encrypt.'),
  { name: 'cluster_size', type: 'size', help: 'qcow2 cluster size', default: DEFAULT_CLUSTER_SIZE },
  { name: 'extended_l2', type: 'bool', help: 'Extended L2 tables', default: false },
  {
    name: 'preallocation',
    type: 'string',
    help: 'Preallocation mode (allowed values: off, metadata, falloc, full)',
    values: PREALLOCATION,
  },
  {
    name: 'compression_type',
    type: 'string',
    help: 'Compression method used for image cluster compression',
    default: 'zlib',
    values: COMPRESSION,
  },
  { name: 'size', type: 'size', help: 'Virtual disk size' },
  { name: 'compat', type: 'string', help: 'Compatibility level (v2 [0.10] or v3 [1.1])', values: ['0.10', '1.1'] },
  { name: 'backing_file', type: 'string', help: 'File name of a base image' },
  { name: 'backing_fmt', type: 'string', help: 'Image format of the base image' },
  { name: 'data_file', type: 'string', help: 'File name of an external data file' },
  { name: 'data_file_raw', type: 'bool', help: 'The external data file must stay valid as a raw image' },
  { name: 'lazy_refcounts', type: 'bool', help: 'Postpone refcount updates', default: false },
  {
    name: 'refcount_bits',
    type: 'number',
    help: 'Width of a reference count entry in bits',
    default: DEFAULT_REFCOUNT_BITS,
  },
  { name: 'nocow', type: 'bool', help: 'Turn off copy-on-write (valid only on btrfs)', storage: true },
  { name: 'extent_size_hint', type: 'size', help: 'Extent size hint for the image file, 0 to disable', storage: true },
  {
    name: 'compression_level',
    type: 'number',
    help: 'Effort of compression: 1 to 12 for zlib (6), 1 to 19 for zstd (3)',
    own: true,
  },
];

/** Checked options of an image to be made. */
export interface QcowOptions {
  version: 2 | 3;
  clusterSize: number;
  refcountBits: number;
  lazyRefcounts: boolean;
  extendedL2: boolean;
  compression: Compression;
  /** null: not asked for. */
  compressionLevel: number | null;
  preallocation: QcowPreallocation;
  /** Name of the external data file. */
  dataFile: string | null;
  dataFileRaw: boolean;
  backing: { name: string; format: string | null } | null;
  encryption: EncryptionFormat;
}

export type EncryptionFormat = 'none' | 'aes' | 'luks';

/** Compression levels that are used unless told otherwise. */
export const DEFAULT_LEVEL: Readonly<Record<Compression, number>> = { zlib: 6, zstd: 3 };
const HIGHEST_LEVEL: Readonly<Record<Compression, number>> = { zlib: 12, zstd: 19 };

/** Checks the options of a request and fills in the defaults. Throws `invalid` or `unsupported` as `qemu-img` says it. */
export function checkedOptions(request: CreateRequest): QcowOptions {
  const { options } = request;
  const encryption = encryptionOf(options);
  const version = versionOf(options.compat);
  const compression = oneOf('compression-type', options.compression_type, COMPRESSION, 'zlib');
  const checked: QcowOptions = {
    version,
    clusterSize: Number(options.cluster_size ?? DEFAULT_CLUSTER_SIZE),
    refcountBits: Number(options.refcount_bits ?? DEFAULT_REFCOUNT_BITS),
    lazyRefcounts: options.lazy_refcounts === true,
    extendedL2: options.extended_l2 === true,
    compression,
    compressionLevel: levelOf(options.compression_level, compression),
    preallocation: oneOf('preallocation', options.preallocation, PREALLOCATION, 'off'),
    dataFile: options.data_file === undefined ? null : String(options.data_file),
    dataFileRaw: options.data_file_raw === true,
    backing: backingOf(request),
    encryption,
  };
  checkTogether(checked, options);
  if (checked.dataFileRaw && checked.preallocation === 'off') checked.preallocation = 'metadata';
  return checked;
}

/** `Cluster size must be …`, and what extended L2 entries demand. */
export function checkClusterSize(clusterSize: number, extendedL2: boolean): void {
  const smallest = 2 ** LIMITS.minClusterBits;
  const largest = 2 ** LIMITS.maxClusterBits;
  if (!isPowerOfTwo(clusterSize) || clusterSize < smallest || clusterSize > largest)
    throw invalid(`Cluster size must be a power of two between ${smallest} and ${largest / 1024}k`);
  if (extendedL2 && clusterSize < smallest * SUBCLUSTERS)
    throw invalid(
      `Extended L2 entries are only supported with cluster sizes of at least ${smallest * SUBCLUSTERS} bytes`,
    );
}

/** `use`: how to ask for version 3. */
export function checkRefcountBits(refcountBits: number, version: 2 | 3, use: string): void {
  if (!isPowerOfTwo(refcountBits) || refcountBits > 64)
    throw invalid('Refcount width must be a power of two and may not exceed 64 bits');
  if (version < 3 && refcountBits !== 16)
    throw invalid(
      `Different refcount widths than 16 bits require compatibility level 1.1 or above (use ${use} or greater)`,
    );
}

/** What holds between several options. */
function checkTogether(checked: QcowOptions, options: OptionValues): void {
  const { version, backing, extendedL2, refcountBits, dataFile, dataFileRaw } = checked;
  const since = 'compatibility level 1.1 and above (use version=v3 or greater)';
  if (extendedL2 && version < 3) throw invalid(`Extended L2 entries are only supported with ${since}`);
  checkClusterSize(checked.clusterSize, extendedL2);
  if (backing !== null && checked.preallocation !== 'off' && !extendedL2)
    throw invalid('Backing file and preallocation can only be used at the same time if extended_l2 is on');
  if (backing === null && options.backing_fmt !== undefined)
    throw invalid('Backing format cannot be used without backing file');
  if (checked.lazyRefcounts && version < 3) throw invalid(`Lazy refcounts only supported with ${since}`);
  checkRefcountBits(refcountBits, version, 'version=v3');
  if (dataFileRaw && dataFile === null) throw invalid('data-file-raw requires data-file');
  if (dataFileRaw && backing !== null) throw invalid('Backing file and data-file-raw cannot be used at the same time');
  if (dataFile !== null && version < 3) throw invalid(`External data files are only supported with ${since}`);
  if (checked.compression !== 'zlib' && version < 3)
    throw invalid(`Non-zlib compression type is only supported with ${since}`);
}

/** What the options say of encryption; those that say how need to be told which. */
function encryptionOf(options: OptionValues): EncryptionFormat {
  const { encryption: alias, 'encrypt.format': format } = options;
  checkEncryptionAlias(options);
  const details = Object.keys(options).filter((name) => name.startsWith('encrypt.') && options[name] !== undefined);
  if (alias === true) return 'aes';
  if (format === undefined) {
    if (details.length > 0) throw invalid("Parameter 'encrypt.format' is missing");
    return 'none';
  }
  if (format !== 'aes' && format !== 'luks') throw invalid(`Parameter 'format' does not accept value '${format}'`);
  const unexpected = details.find((name) => name !== 'encrypt.format' && name !== 'encrypt.key-secret');
  if (format === 'aes' && unexpected !== undefined) throw invalid(`Parameter '${unexpected}' is unexpected`);
  return format;
}

function versionOf(compat: OptionValues[string]): 2 | 3 {
  const text = compat === undefined ? '1.1' : String(compat);
  if (text === '0.10' || text === 'v2') return 2;
  if (text === '1.1' || text === 'v3') return 3;
  throw invalid(`Parameter 'version' does not accept value '${text}'`);
}

function oneOf<const T extends string>(name: string, value: OptionValues[string], words: readonly T[], fallback: T): T {
  if (value === undefined) return fallback;
  const found = words.find((word) => word === value);
  if (found === undefined) throw invalid(`Parameter '${name}' does not accept value '${value}'`);
  return found;
}

function levelOf(value: OptionValues[string], compression: Compression): number | null {
  if (value === undefined) return null;
  const highest = HIGHEST_LEVEL[compression];
  const level = Number(value);
  if (!Number.isInteger(level) || level < 1 || level > highest)
    throw invalid(`Compression level must be between 1 and ${highest} for ${compression}`);
  return level;
}

function backingOf({ backing, options }: CreateRequest): QcowOptions['backing'] {
  if (backing) return { name: backing.name, format: backing.format };
  if (options.backing_file === undefined || options.backing_file === '') return null;
  const format = options.backing_fmt;
  return { name: String(options.backing_file), format: format === undefined ? null : String(format) };
}

function invalid(message: string): ImageError {
  return new ImageError('invalid', message);
}
