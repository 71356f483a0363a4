/** Which options of a format a page offers, and how. */
import type { FormatInfo, OptionRow, OptionValues } from '../../src/platform/web/index.js';

/** They are decided elsewhere, or name other files, which a page cannot make, or are an old word for a newer option. */
const NOT_OFFERED = [
  'size',
  'backing_file',
  'backing_fmt',
  'data_file',
  'data_file_raw',
  'encryption',
  'detached-header',
];

/** Those that most people who look for options look for. */
const COMMON = [
  'key-secret',
  'subformat',
  'adapter_type',
  'static',
  'compression_type',
  'compression_level',
  'cluster_size',
  'block_size',
];

/** They mean something only when the image is compressed, or encrypted. */
const FOR_COMPRESSION = /^compression_/;
const ENCRYPTION = 'encrypt.format';
const FOR_ENCRYPTION = /^encrypt\.(?!format$)/;

export interface OfferedRows {
  readonly common: readonly OptionRow[];
  readonly rest: readonly OptionRow[];
}

/** The rows of a format's table that a page offers, with what is set so far. */
export function offeredRows({ options: table }: FormatInfo, compress: boolean, set: OptionValues): OfferedRows {
  const encrypt = set[ENCRYPTION] !== undefined;
  const offered = table.filter(
    ({ name, storage }) =>
      !storage &&
      !NOT_OFFERED.includes(name) &&
      (compress || !FOR_COMPRESSION.test(name)) &&
      (encrypt || !FOR_ENCRYPTION.test(name)),
  );
  return {
    common: offered.filter(({ name }) => COMMON.includes(name)),
    rest: offered.filter(({ name }) => !COMMON.includes(name)),
  };
}

/** `Cluster size` of `cluster_size`. */
export function labelOf({ name }: OptionRow): string {
  const words = name.replace(/^encrypt\./, 'encryption ').replaceAll(/[_-]/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The option that takes the id of the passphrase of the new image. */
export function isKey({ name }: Pick<OptionRow, 'name'>): boolean {
  return name.endsWith('key-secret');
}
