/** Create options of VMDK images, and what they mean together; the words are QEMU's. */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { CreateRequest } from '../../image/driver.js';
import type { OptionTable } from '../../image/options.js';
import { SECTOR } from './layout.js';

const SUBFORMATS = [
  'monolithicSparse',
  'monolithicFlat',
  'twoGbMaxExtentSparse',
  'twoGbMaxExtentFlat',
  'streamOptimized',
] as const;
const ADAPTERS = ['ide', 'buslogic', 'lsilogic', 'legacyESX'];
const UNDEFINED = 'undefined';

export type Subformat = (typeof SUBFORMATS)[number];

export const createOptions: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size' },
  {
    name: 'adapter_type',
    type: 'string',
    help: 'Virtual adapter type, can be one of ide (default), lsilogic, buslogic or legacyESX',
    values: ADAPTERS,
  },
  { name: 'backing_file', type: 'string', help: 'File name of a base image' },
  { name: 'backing_fmt', type: 'string', help: "Must be 'vmdk' if present" },
  { name: 'compat6', type: 'bool', help: 'VMDK version 6 image', default: false },
  { name: 'hwversion', type: 'string', help: 'VMDK hardware version', default: UNDEFINED },
  { name: 'toolsversion', type: 'string', help: 'VMware guest tools version' },
  {
    name: 'subformat',
    type: 'string',
    help: `VMDK flat extent format, can be one of {${SUBFORMATS.join(' | ').replace(' ', ' (default) ')}} `,
    values: SUBFORMATS,
  },
  {
    name: 'zeroed_grain',
    type: 'bool',
    help: 'Enable efficient zero writes using the zeroed-grain GTE feature',
  },
  { name: 'compression_level', type: 'number', help: 'Effort of compression: 1 to 12 (6)', own: true },
];

const LEVEL = { least: 1, most: 12, default: 6 };

/** A disk that is to be made. */
export interface NewDisk {
  /** Bytes, whole sectors. */
  size: number;
  subformat: Subformat;
  isFlat: boolean;
  isSplit: boolean;
  adapter: string;
  hardwareVersion: string;
  toolsVersion: string;
  zeroGrains: boolean;
  level: number;
}

/** Throws `invalid` or `unsupported`. */
export function diskFor({ size, options, backing }: CreateRequest): NewDisk {
  const { hwversion = UNDEFINED, compat6 = false, toolsversion = '2147483647', zeroed_grain = false } = options;
  if (backing !== undefined && backing.format !== 'vmdk')
    throw new ImageError('invalid', 'backing_file must be a vmdk image');
  const adapter = oneOf(ADAPTERS, options.adapter_type ?? 'ide');
  const subformat = oneOf(SUBFORMATS, options.subformat ?? 'monolithicSparse');
  const isFlat = subformat === 'monolithicFlat' || subformat === 'twoGbMaxExtentFlat';
  const refusals: [boolean, string][] = [
    [compat6 === true && hwversion !== UNDEFINED, 'compat6 cannot be enabled with hwversion set'],
    [isFlat && backing !== undefined, "Flat image can't have backing file"],
    [isFlat && zeroed_grain === true, "Flat image can't enable zeroed grain"],
  ];
  for (const [refused, message] of refusals) if (refused) throw new ImageError('invalid', message);
  const level = Number(options.compression_level ?? LEVEL.default);
  if (level < LEVEL.least || level > LEVEL.most)
    throw new ImageError('invalid', `Compression level must be between ${LEVEL.least} and ${LEVEL.most}`);
  return {
    size: roundUp(size, SECTOR),
    subformat,
    isFlat,
    isSplit: subformat.startsWith('twoGb'),
    adapter,
    hardwareVersion: compat6 === true ? '6' : hwversion === UNDEFINED ? '4' : String(hwversion),
    toolsVersion: String(toolsversion),
    zeroGrains: zeroed_grain === true,
    level,
  };
}

function oneOf<T extends string>(values: readonly T[], value: unknown): T {
  const found = values.find((each) => each === value);
  if (found === undefined) throw new ImageError('invalid', `invalid parameter value: ${value}`);
  return found;
}
