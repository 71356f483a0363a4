/**
 * Sizes as people write them and as `qemu-img` prints them.
 */

const SUFFIXES: Record<string, bigint> = {
  '': 1n,
  b: 1n,
  k: 1n << 10n,
  m: 1n << 20n,
  g: 1n << 30n,
  t: 1n << 40n,
  p: 1n << 50n,
  e: 1n << 60n,
};

const DECIMAL = /^\s*([+-]?)(\d*)(\.\d*)?([a-z]?)$/i;
const HEXADECIMAL = /^\s*\+?0x([0-9a-f]+)$/i;
const TWO_64 = 1n << 64n;

/** What became of a text: bytes below 2^64, or why not. */
export type ParsedSize = bigint | 'malformed' | 'out of range';

/**
 * Reads `1024`, `1.5k`, `64M`, `0x200`: powers of 1024, a fraction only before a suffix, hexadecimal without either.
 */
export function parseSize(text: string): ParsedSize {
  const hex = HEXADECIMAL.exec(text);
  if (hex) return inRange(BigInt(`0x${hex[1]}`));
  const match = DECIMAL.exec(text);
  if (match === null) return 'malformed';
  const [, sign, digits = '', fraction = '', suffix = ''] = match;
  const scale = SUFFIXES[suffix.toLowerCase()];
  if (scale === undefined || !/\d/.test(digits + fraction)) return 'malformed';
  if (sign === '-') return fraction + suffix === '' ? 'out of range' : 'malformed';
  const part = fractionBits(fraction);
  if (part !== 0n && scale === 1n) return 'malformed';
  // 64.64 fixed point; the half is rounded upward
  return inRange(BigInt(digits || '0') * scale + ((part * scale + (1n << 63n)) >> 64n));
}

/** The fraction in units of 2^-64; never 0 unless it is 0. */
function fractionBits(fraction: string): bigint {
  const value = Number(`0${fraction}`);
  const bits = BigInt(Math.floor(value * 2 ** 64));
  return bits === 0n && value > 0 ? 1n : bits;
}

function inRange(value: bigint): ParsedSize {
  return value < TWO_64 ? value : 'out of range';
}

/** All digits of bytes: large numbers are exact, but JavaScript prints no more than tells two of them apart. */
export function digits(bytes: number): string {
  return String(bytes > Number.MAX_SAFE_INTEGER ? BigInt(bytes) : bytes);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** `196 KiB`, `0.977 MiB`: three significant digits, the next unit from 1000 on. */
export function formatSize(bytes: number): string {
  let unit = 0;
  let scale = 1n;
  while (bytes / Number(scale) >= 1000) {
    scale <<= 10n;
    unit++;
  }
  return `${threeDigits(BigInt(bytes), scale)} ${UNITS[unit]}`;
}

/** `value / scale` as C's `%.3g` prints it: exact, ties to even, no trailing zeros. */
function threeDigits(value: bigint, scale: bigint): string {
  const ratio = Number(value) / Number(scale);
  const decimals = ratio >= 100 ? 0 : ratio >= 10 ? 1 : ratio >= 1 ? 2 : 3;
  const scaled = value * 10n ** BigInt(decimals);
  const rest = 2n * (scaled % scale);
  let rounded = scaled / scale;
  if (rest > scale || (rest === scale && rounded % 2n === 1n)) rounded++;
  const shown = Number(rounded) / 10 ** decimals;
  return shown >= 1000 ? '1e+03' : String(shown);
}
