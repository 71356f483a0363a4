/** File systems by their magic numbers. */
import { cString, fields } from '../../bytes.js';

export interface FileSystem {
  /** `ext4`, `NTFS`; also what is no file system but stands in the place of one, such as `LUKS`. */
  name: string;
  /** As its maker or its user called it; null: it has none, or none that is looked for. */
  label: string | null;
}

/** Bytes from the beginning in which all magic numbers lie. */
export const FILE_SYSTEM_PROBE = 0x10000 + 4096;

/** Text at an offset, `length` bytes at most, NULs and spaces at its end cut off. */
interface TextField {
  offset: number;
  length: number;
}

interface Signature {
  name: string;
  offset: number;
  /** Latin-1 text. */
  magic: string;
  label?: TextField;
}

/** In the order of their trust: what can only be one thing comes first. */
const SIGNATURES: readonly Signature[] = [
  { name: 'LUKS', offset: 0, magic: 'LUKS\xba\xbe' },
  { name: 'BitLocker', offset: 3, magic: '-FVE-FS-' },
  { name: 'NTFS', offset: 3, magic: 'NTFS    ' },
  { name: 'exFAT', offset: 3, magic: 'EXFAT   ' },
  { name: 'ReFS', offset: 3, magic: 'ReFS\0' },
  { name: 'XFS', offset: 0, magic: 'XFSB', label: { offset: 108, length: 12 } },
  { name: 'Btrfs', offset: 0x10040, magic: '_BHRfS_M', label: { offset: 0x1012b, length: 256 } },
  { name: 'LVM2', offset: 0x218, magic: 'LVM2 001' },
  { name: 'SquashFS', offset: 0, magic: 'hsqs' },
  { name: 'EROFS', offset: 1024, magic: '\xe2\xe1\xf5\xe0', label: { offset: 1088, length: 16 } },
  { name: 'F2FS', offset: 1024, magic: '\x10\x20\xf5\xf2' },
  { name: 'APFS', offset: 32, magic: 'NXSB' },
  { name: 'HFS+', offset: 1024, magic: 'H+\0\x04' },
  { name: 'HFS+ (case-sensitive)', offset: 1024, magic: 'HX\0\x05' },
  { name: 'ReiserFS', offset: 0x10034, magic: 'ReIsEr' },
  { name: 'Linux RAID', offset: 4096, magic: '\xfc\x4e\x2b\xa9' },
  { name: 'swap', offset: 4086, magic: 'SWAPSPACE2', label: { offset: 0x41c, length: 16 } },
  { name: 'ISO 9660', offset: 0x8001, magic: 'CD001', label: { offset: 0x8028, length: 32 } },
  { name: 'FAT32', offset: 82, magic: 'FAT32   ', label: { offset: 71, length: 11 } },
  { name: 'FAT16', offset: 54, magic: 'FAT16   ', label: { offset: 43, length: 11 } },
  { name: 'FAT12', offset: 54, magic: 'FAT12   ', label: { offset: 43, length: 11 } },
];

/** ext2 and its successors: one magic number, told apart by features. */
const EXT = fields('little', {
  magic: [0x438, 'u16'],
  compatible: [0x45c, 'u32'],
  incompatible: [0x460, 'u32'],
  label: [0x478, { bytes: 16 }],
});
const EXT_MAGIC = 0xef53;
const HAS_JOURNAL = 4;
/** Extents, 64 bit, flexible groups. */
const EXT4_ONLY = 0x40 | 0x80 | 0x200;
/** What a FAT without a label says. */
const NO_LABEL = 'NO NAME';

/** `bytes`: the first `FILE_SYSTEM_PROBE` bytes of a partition, fewer if it is shorter. */
export function detectFileSystem(bytes: Uint8Array): FileSystem | null {
  const ext = detectExt(bytes);
  if (ext !== null) return ext;
  for (const { name, offset, magic, label } of SIGNATURES) {
    if (latin1(bytes.subarray(offset, offset + magic.length)) !== magic) continue;
    return {
      name,
      label: label === undefined ? null : labelOf(bytes.subarray(label.offset, label.offset + label.length)),
    };
  }
  return null;
}

function detectExt(bytes: Uint8Array): FileSystem | null {
  if (bytes.length < EXT.size) return null;
  const { magic, compatible, incompatible, label } = EXT.read(bytes);
  if (magic !== EXT_MAGIC) return null;
  const name = (incompatible & EXT4_ONLY) !== 0 ? 'ext4' : (compatible & HAS_JOURNAL) !== 0 ? 'ext3' : 'ext2';
  return { name, label: labelOf(label) };
}

function labelOf(bytes: Uint8Array): string | null {
  const label = cString(bytes).trim();
  return label === '' || label === NO_LABEL ? null : label;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
