/** Reading and checking the header of a Parallels image; the order and the words of the checks are QEMU's. */
import { roundUp } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSink, ByteSource } from '../../storage/storage.js';
import {
  BAT_ENTRY,
  BAT_OFFSET,
  HEADER,
  type HeaderFields,
  LIMITS,
  MAGIC,
  OLD_MAGIC,
  SECTOR,
  VERSION,
} from './layout.js';

export interface ParallelsHeader extends HeaderFields {
  /** Bytes of the guest's disk, and of a cluster. */
  size: number;
  clusterSize: number;
  /** Bytes of the file that an entry of the table counts. */
  entryUnit: number;
  /** Byte of the file at which clusters begin: the header's, or a right one where that cannot be. */
  dataStart: number;
  /** The header's can be. */
  isDataStartRight: boolean;
}

/** Throws `corrupt`. */
export async function readHeader(source: ByteSource): Promise<ParallelsHeader> {
  const bytes = new Uint8Array(HEADER.size);
  await readPadded(source, 0, bytes);
  const header = HEADER.read(bytes);
  const isOld = hasMagic(bytes, OLD_MAGIC);
  if (header.version !== VERSION || !(isOld || hasMagic(bytes, MAGIC))) throw corrupt('Image not in Parallels format');
  if (header.tracks === 0) throw corrupt('Invalid image: Zero sectors per track');
  if (header.tracks > LIMITS.tracks) throw corrupt('Invalid image: Too big cluster');
  if (header.batEntries > LIMITS.batEntries) throw corrupt('Catalog too large');
  if (header.extensionOffset >= 2n ** 63n / BigInt(SECTOR)) throw corrupt('Invalid image: Too big offset');
  if (batEnd(header) > roundUp(source.size, SECTOR))
    throw corrupt('The block allocation table ends beyond the end of the file');
  const clusterSize = header.tracks * SECTOR;
  const sectors = isOld ? header.sectors & 0xffff_ffffn : header.sectors;
  if (sectors * BigInt(SECTOR) > BigInt(header.batEntries * clusterSize))
    throw corrupt('The block allocation table is too small for the disk');
  return {
    ...header,
    size: Number(sectors) * SECTOR,
    clusterSize,
    entryUnit: isOld ? SECTOR : clusterSize,
    ...dataStartOf(header, isOld, source.size),
  };
}

/** Bytes from the beginning of the file to the end of the table. */
export function batEnd({ batEntries }: Pick<HeaderFields, 'batEntries'>): number {
  return BAT_OFFSET + batEntries * BAT_ENTRY;
}

/** The beginning of a file says that it is such an image. */
export function hasMagic(head: Uint8Array, magic: string): boolean {
  return [...magic].every((letter, at) => head[at] === letter.charCodeAt(0));
}

/** Throws `unsupported` for an image whose extension would be wrong after a change, or lost. */
export function refuseExtension({ extensionOffset }: HeaderFields): void {
  if (extensionOffset !== 0n)
    throw new ImageError('unsupported', 'Parallels images with a format extension cannot be written to');
}

/** Writes the fields as they are now. */
export async function writeHeader(sink: ByteSink, header: HeaderFields): Promise<void> {
  const bytes = new Uint8Array(HEADER.size);
  HEADER.write(bytes, header);
  await sink.write(0, bytes);
}

function dataStartOf(
  header: HeaderFields,
  isOld: boolean,
  fileSize: number,
): Pick<ParallelsHeader, 'dataStart' | 'isDataStartRight'> {
  const least = roundUp(batEnd(header), isOld ? SECTOR : header.tracks * SECTOR);
  const claimed = header.dataOffset * SECTOR;
  if (claimed === 0 && isOld) return { dataStart: least, isDataStartRight: true };
  const isDataStartRight = claimed >= least && claimed <= roundUp(fileSize, SECTOR);
  return { dataStart: isDataStartRight ? claimed : least, isDataStartRight };
}
