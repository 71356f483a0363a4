/** Reading and making footers; the order and the words of the checks are QEMU's. */
import { roundUp, viewOf } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import type { OptionValues } from '../../image/options.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import { capacityOf, isLargest } from './geometry.js';
import { checksumOf, FOOTER, FOOTER_COOKIE, FOOTER_SIZE, type Footer, LARGEST_DISK, SECTOR, TYPE } from './layout.js';

/** What a footer says, and where it was found. */
export interface FoundFooter {
  /** As it is in the file. */
  bytes: Uint8Array;
  footer: Footer;
  /** The disk lies before it: nothing but the footer at the end makes the file an image. */
  isFixed: boolean;
  /** Byte of the file. */
  offset: number;
}

/** Finds the copy at the beginning, or the footer of a fixed image at the end. Throws `corrupt`. */
export async function readFooter(source: ByteSource): Promise<FoundFooter> {
  const first = await footerAt(source, 0);
  if (first !== null && first.footer.type !== TYPE.fixed) return checked(first);
  if (source.size < FOOTER_SIZE) throw corrupt('File too small for a VHD header');
  const last = await footerAt(source, endFooterOffset(source.size));
  if (last === null || last.footer.type !== TYPE.fixed) throw corrupt('invalid VPC image');
  return checked(last);
}

/** Where a footer at the end of so many bytes begins: old ones have 511 bytes. */
export function endFooterOffset(size: number): number {
  return roundUp(size, SECTOR) - FOOTER_SIZE;
}

/** The bytes of a footer begin with its cookie. */
export function hasCookie(bytes: Uint8Array): boolean {
  return FOOTER_COOKIE.every((byte, at) => bytes[at] === byte);
}

/** The bytes have the checksum that they tell. */
export function hasChecksum(bytes: Uint8Array): boolean {
  const [at] = FOOTER.fields.checksum;
  return checksumOf(bytes, at) === viewOf(bytes).getUint32(at);
}

async function footerAt(source: ByteSource, offset: number): Promise<FoundFooter | null> {
  const bytes = new Uint8Array(FOOTER_SIZE);
  await readPadded(source, offset, bytes);
  if (!hasCookie(bytes)) return null;
  const footer = FOOTER.read(bytes);
  return { bytes, footer, isFixed: footer.type === TYPE.fixed, offset };
}

function checked(found: FoundFooter): FoundFooter {
  if (!hasChecksum(found.bytes)) throw corrupt('Incorrect header checksum');
  const { type } = found.footer;
  if (type !== TYPE.fixed && type !== TYPE.dynamic && type !== TYPE.differencing)
    throw new ImageError('unsupported', `VHD images of type ${type} are not supported`);
  return found;
}

/** Creators whose disks are as large as their geometry says; `currentSize` may be larger. */
const GEOMETRY_CREATORS = ['vpc ', 'qemu'];

/**
 * Bytes of the guest's disk, whole sectors. Virtual PC goes by the geometry, Hyper-V by `currentSize`; who made the
 * image decides, or the option `force_size_calc`. Throws `invalid` for another option, `unsupported` above 2040 GiB.
 */
export function diskSize(footer: Footer, { force_size_calc: forced }: OptionValues): number {
  if (forced !== undefined && forced !== 'chs' && forced !== 'current_size')
    throw new ImageError('invalid', `Invalid size calculation mode: '${forced}'`);
  const byGeometry = GEOMETRY_CREATORS.includes(String.fromCharCode(...footer.creator)) || forced === 'chs';
  if (byGeometry && forced !== 'current_size' && !isLargest(footer)) return capacityOf(footer);
  if (footer.currentSize >= BigInt(LARGEST_DISK + SECTOR)) throw new ImageError('unsupported', 'File too large');
  return Number(footer.currentSize) - (Number(footer.currentSize) % SECTOR);
}

/** A footer's bytes, with their checksum. */
export function serializeFooter(footer: Partial<Footer>): Uint8Array {
  const bytes = new Uint8Array(FOOTER_SIZE);
  FOOTER.write(bytes, footer);
  FOOTER.write(bytes, { checksum: checksumOf(bytes, FOOTER.fields.checksum[0]) });
  return bytes;
}
