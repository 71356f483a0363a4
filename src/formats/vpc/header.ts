/** Reading and checking the header of dynamic and differencing images; the order and the words of the checks are QEMU's. */
import { isPowerOfTwo } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import { HEADER, HEADER_COOKIE, HEADER_SIZE, type Header, SECTOR } from './layout.js';

/** QEMU's limit: the table is addressed by a signed 32-bit integer. */
const MOST_ENTRIES = Math.floor((2 ** 31 - 1) / 4);

/** The dynamic header, and where it lies. */
export interface DynamicHeader extends Header {
  /** Byte of the file at which the header itself begins. */
  offset: number;
  /** All of its bytes. */
  bytes: Uint8Array;
}

/**
 * @param offset as the footer has it
 * @param size of the guest's disk in bytes
 * @throws `corrupt`
 */
export async function readHeader(source: ByteSource, offset: bigint, size: number): Promise<DynamicHeader> {
  const bytes = new Uint8Array(HEADER_SIZE);
  if (offset < BigInt(source.size)) await readPadded(source, Number(offset), bytes);
  if (!HEADER_COOKIE.every((byte, at) => bytes[at] === byte)) throw corrupt('Invalid header magic');
  const header = HEADER.read(bytes);
  const { blockSize, tableEntries, tableOffset } = header;
  if (!isPowerOfTwo(blockSize) || blockSize < SECTOR) throw corrupt(`Invalid block size ${blockSize}`);
  if (tableEntries * blockSize < size) throw corrupt('Page table too small');
  if (tableEntries > MOST_ENTRIES) throw corrupt(`Max Table Entries too large (${tableEntries})`);
  if (tableOffset + tableEntries * 4 > source.size) throw corrupt('Error reading pagetable');
  return { ...header, offset: Number(offset), bytes };
}
