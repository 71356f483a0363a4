/** Reading and checking the header of a qcow image; the order and the words of the checks are QEMU's. */
import { roundDown } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import type { BackingReference } from '../../image/image.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import { CRYPT, ENTRY_SIZE, HEADER, LIMITS, MAGIC, type QcowHeader, SECTOR, VERSION } from './layout.js';

/** Throws `corrupt` or `unsupported`. The header's `size` is rounded down to whole sectors, as QEMU does it. */
export async function readHeader(source: ByteSource): Promise<QcowHeader> {
  const bytes = new Uint8Array(HEADER.size);
  await readPadded(source, 0, bytes);
  const header = HEADER.read(bytes);
  if (header.magic !== MAGIC) throw corrupt('Image not in qcow format');
  if (header.version !== VERSION) throw wrongVersion(header.version);
  if (header.size <= 1) throw corrupt('Image size is too small (must be at least 2 bytes)');
  if (!isWithin(header.clusterBits, LIMITS.clusterBits)) throw corrupt('Cluster size must be between 512 and 64k');
  if (!isWithin(header.l2Bits, LIMITS.l2Bits)) throw corrupt('L2 table size must be between 512 and 64k');
  if (header.cryptMethod !== CRYPT.none && header.cryptMethod !== CRYPT.aes)
    throw corrupt('invalid encryption method in qcow header');
  if (l1Entries(header) * ENTRY_SIZE > LIMITS.l1Table) throw corrupt('Image too large');
  const l1End = header.l1TableOffset + l1Entries(header) * ENTRY_SIZE;
  if (l1End > source.size) throw corrupt('The L1 table ends beyond the end of the file', { file: source.name });
  return { ...header, size: roundDown(header.size, SECTOR) };
}

function wrongVersion(version: number): ImageError {
  const hint = version === 2 || version === 3 ? "\nTry the 'qcow2' driver instead." : '';
  return new ImageError('unsupported', `qcow (v1) does not support qcow version ${version}${hint}`);
}

function isWithin(value: number, { least, most }: { least: number; most: number }): boolean {
  return value >= least && value <= most;
}

export function l1Entries({ size, clusterBits, l2Bits }: QcowHeader): number {
  return Math.ceil(size / 2 ** (clusterBits + l2Bits));
}

/** Throws `corrupt` for a name that is too long. */
export async function readBacking(source: ByteSource, header: QcowHeader): Promise<BackingReference | null> {
  const { backingNameOffset, backingNameSize } = header;
  if (backingNameOffset === 0) return null;
  if (backingNameSize > LIMITS.backingName) throw corrupt('Backing file name too long');
  const bytes = new Uint8Array(backingNameSize);
  await readPadded(source, backingNameOffset, bytes);
  return { name: new TextDecoder().decode(bytes), format: null };
}
