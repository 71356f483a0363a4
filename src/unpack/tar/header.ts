/** The header of a member of a tar archive: POSIX.1-1988 (ustar), and what GNU tar has made of its unused fields. */
import { fields } from '../../bytes.js';
import { corrupt } from '../../errors.js';

/** Bytes of a header; members are filled up to a multiple. */
export const TAR_BLOCK = 512;

const HEADER = fields('big', {
  name: [0, { bytes: 100 }],
  size: [124, { bytes: 12 }],
  checksum: [148, { bytes: 8 }],
  type: [156, { bytes: 1 }],
  magic: [257, { bytes: 5 }],
  /** Only in POSIX archives: before the name, with a slash between them. */
  prefix: [345, { bytes: 155 }],
});

/** Where GNU's sparse members have their first stretches, how large the whole is, and where further blocks have theirs. */
export const SPARSE = {
  first: { offset: 386, count: 4, more: 482 },
  further: { offset: 0, count: 21, more: 504 },
  realSize: 483,
  numberSize: 12,
} as const;

export interface TarHeader {
  name: string;
  /** Bytes in the archive. */
  size: number;
  /** A letter; '0' is a plain file. */
  type: string;
}

const NO_CHECKSUM = 0x20;

/** A block is a header: its magic and its checksum are right. */
export function isTarHeader(block: Uint8Array): boolean {
  if (block.length < TAR_BLOCK) return false;
  const { magic, checksum } = HEADER.read(block);
  if (textOf(magic) !== 'ustar') return false;
  let sum = 0;
  const [at] = HEADER.fields.checksum;
  for (let index = 0; index < TAR_BLOCK; index++)
    sum += index >= at && index < at + checksum.length ? NO_CHECKSUM : block[index]!;
  return Number.parseInt(textOf(checksum).trim(), 8) === sum;
}

/** Throws `corrupt`. */
export function readTarHeader(block: Uint8Array, offset: number): TarHeader {
  if (!isTarHeader(block)) throw corrupt(`The tar archive is damaged at offset ${offset}`, { offset });
  const { name, prefix, magic, size, type } = HEADER.read(block);
  const [magicAt] = HEADER.fields.magic;
  const isPosix = block[magicAt + magic.length] === 0;
  const directory = isPosix ? textOf(prefix) : '';
  return {
    name: directory === '' ? textOf(name) : `${directory}/${textOf(name)}`,
    size: readTarNumber(size),
    type: type[0] === 0 ? '0' : String.fromCharCode(type[0]!),
  };
}

/** Octal digits; or, where the first bit is set, a big-endian number. Throws `corrupt` for a negative or vast one. */
export function readTarNumber(field: Uint8Array): number {
  const isBinary = field[0]! >= 0x80;
  const text = textOf(field).trim();
  const value = isBinary
    ? field.reduce((sum, byte, index) => sum * 256 + (index === 0 ? byte & 0x7f : byte), 0)
    : text === ''
      ? 0
      : /^[0-7]+$/.test(text)
        ? Number.parseInt(text, 8)
        : Number.NaN;
  if (!Number.isSafeInteger(value)) throw corrupt('A number in the tar archive is damaged');
  return value;
}

/** A text up to its first NUL. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
