/** Create options of VHDX: the table, and what the values become. Names, rounding and texts are those of `qemu-img`. */
import { isPowerOfTwo, roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { OptionTable, OptionValues } from '../../image/options.js';
import { LIMITS, MIB } from './layout.js';

const GIB = 1024 * MIB;
const TIB = 1024 * GIB;

export const createOptions: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size; max of 64TB.' },
  { name: 'log_size', type: 'size', help: 'Log size; min 1MB.', default: MIB },
  {
    name: 'block_size',
    type: 'size',
    help: 'Block Size; min 1MB, max 256MB. 0 means auto-calculate based on image size.',
    default: 0,
  },
  {
    name: 'subformat',
    values: ['dynamic', 'fixed'],
    type: 'string',
    help: "VHDX format type, can be either 'dynamic' or 'fixed'. Default is 'dynamic'.",
  },
  {
    name: 'block_state_zero',
    type: 'bool',
    help:
      "Force use of payload blocks of type 'ZERO'. Non-standard, but default.  Do not set to 'off' when using " +
      "'qemu-img convert' with subformat=dynamic.",
  },
];

/** Sizes in bytes. */
export interface VhdxOptions {
  logSize: number;
  blockSize: number;
  isFixed: boolean;
  /** Blocks without data say so, instead of being absent. */
  zeroBlocks: boolean;
}

/** Throws `invalid` as `qemu-img` says it. */
export function checkedOptions(size: number, options: OptionValues): VhdxOptions {
  if (size > LIMITS.diskSize) throw invalid('Image size too large; max of 64TB');
  const logSize = roundUp(Number(options.log_size ?? MIB), MIB);
  if (logSize > 0xffff_ffff) throw invalid('Log size must be smaller than 4 GB');
  if (logSize === 0) throw invalid('Log size must be a multiple of 1 MB');
  const { subformat = 'dynamic' } = options;
  if (subformat !== 'dynamic' && subformat !== 'fixed')
    throw invalid(`Parameter 'subformat' does not accept value '${subformat}'`);
  const wanted = Math.min(roundUp(Number(options.block_size ?? 0), MIB), LIMITS.mostBlock);
  const blockSize = wanted === 0 ? usualBlockSize(size) : wanted;
  if (!isPowerOfTwo(blockSize)) throw invalid('Block size must be a power of two');
  return { logSize, blockSize, isFixed: subformat === 'fixed', zeroBlocks: options.block_state_zero !== false };
}

/** Keeps the table small. */
function usualBlockSize(size: number): number {
  if (size > 32 * TIB) return 64 * MIB;
  if (size > 100 * GIB) return 32 * MIB;
  return size > GIB ? 16 * MIB : 8 * MIB;
}

function invalid(message: string): ImageError {
  return new ImageError('invalid', message);
}
