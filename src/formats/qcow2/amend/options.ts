/** Amend options of qcow2: the table, and what the values ask for. Names, help, order of the checks and texts are those of `qemu-img amend`. */
import { isPowerOfTwo } from '../../../bytes.js';
import { ImageError } from '../../../errors.js';
import { luksAmendRows } from '../../../image/luks/amend.js';
import type { OptionTable, OptionValues } from '../../../image/options.js';
import { hasDataFile, type QcowHeader } from '../header.js';
import { AUTOCLEAR, COMPATIBLE, CRYPT } from '../layout.js';
import { createOptions } from '../options.js';

const ENCRYPTION = luksAmendRows('encrypt.');

/** Options of a new image that can be changed later. */
const CHANGEABLE = [
  ...['size', 'compat', 'backing_file', 'backing_fmt', 'data_file', 'data_file_raw'],
  ...['lazy_refcounts', 'refcount_bits'],
];

export const amendOptions: OptionTable = [
  ...ENCRYPTION,
  ...createOptions.filter(({ name }) => CHANGEABLE.includes(name)),
];

/** What the image is to be afterwards. */
export interface AmendPlan {
  version: 2 | 3;
  /** Bytes of the guest's disk; null: as it is. */
  size: number | null;
  /** Named only to say that they stay; null: not named. */
  backingFile: string | null;
  backingFormat: string | null;
  /** undefined: as it is; null: none is named in the image. */
  dataFile: string | null | undefined;
  dataFileRaw: boolean;
  lazyRefcounts: boolean;
  refcountBits: number;
  /** Key slots are to change. */
  encryption: boolean;
}

/** Checks the options of an image one by one; what holds between them is checked while they are changed. */
export function amendPlan(options: OptionValues, header: QcowHeader): AmendPlan {
  checkEncryption(options, header);
  const version = versionOf(options.compat, header.version);
  const dataFile = options.data_file;
  if (dataFile !== undefined && !hasDataFile(header))
    throw invalid('data-file can only be set for images that use an external data file');
  const isRaw = (header.autoclearFeatures & AUTOCLEAR.rawData) !== 0n;
  const dataFileRaw = (options.data_file_raw ?? isRaw) === true;
  if (dataFileRaw && !isRaw) throw invalid('data-file-raw cannot be set on existing images');
  const refcountBits = Number(options.refcount_bits ?? 2 ** header.refcountOrder);
  if (!isPowerOfTwo(refcountBits) || refcountBits > 64)
    throw invalid('Refcount width must be a power of two and may not exceed 64 bits');
  const isLazy = (header.compatibleFeatures & COMPATIBLE.lazyRefcounts) !== 0n;
  return {
    version,
    size: Number(options.size ?? 0) || null,
    backingFile: textOf(options.backing_file),
    backingFormat: textOf(options.backing_fmt),
    dataFile: dataFile === undefined ? undefined : String(dataFile) || null,
    dataFileRaw,
    lazyRefcounts: (options.lazy_refcounts ?? isLazy) === true,
    refcountBits,
    encryption: ENCRYPTION.some(({ name }) => options[name] !== undefined),
  };
}

function checkEncryption(options: OptionValues, { cryptMethod }: QcowHeader): void {
  if (ENCRYPTION.every(({ name }) => options[name] === undefined)) return;
  if (cryptMethod === CRYPT.none) throw invalid("Can't amend encryption options - encryption not present");
  if (cryptMethod !== CRYPT.luks) throw new ImageError('unsupported', 'Only LUKS encryption options can be amended');
}

function versionOf(compat: OptionValues[string], current: 2 | 3): 2 | 3 {
  if (compat === undefined) return current;
  if (compat === '0.10' || compat === 'v2') return 2;
  if (compat === '1.1' || compat === 'v3') return 3;
  throw invalid(`Unknown compatibility level ${compat}`);
}

function textOf(value: OptionValues[string]): string | null {
  return value === undefined ? null : String(value);
}

function invalid(message: string): ImageError {
  return new ImageError('invalid', message);
}
