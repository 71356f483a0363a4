/** Finding and checking the trailer. */
import { viewOf } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import type { ByteSource } from '../../storage/storage.js';
import { SECTOR, TRAILER, TRAILER_MAGIC, TRAILER_SIZE, type Trailer } from './layout.js';

/** How far from the end of the file it is looked for: some images have a little appended. */
const SEARCHED = 64 * 1024;

/** Throws `corrupt` for a file without a trailer, or with one that points beyond itself. */
export async function readTrailer(source: ByteSource): Promise<Trailer> {
  if (source.size < TRAILER_SIZE) throw corrupt('dmg file must be at least 512 bytes long');
  const tail = new Uint8Array(Math.min(source.size, SEARCHED));
  await source.read(source.size - tail.length, tail);
  const at = trailerIn(tail);
  if (at === null) throw corrupt('Could not locate UDIF trailer in dmg file');
  const trailer = TRAILER.read(tail, at);
  const end = source.size - tail.length + at;
  const { resourceForkOffset, resourceForkLength, propertyListOffset, propertyListLength, dataForkOffset } = trailer;
  const isOutside =
    dataForkOffset > end ||
    resourceForkOffset + resourceForkLength > end ||
    propertyListOffset + propertyListLength > end;
  if (!Number.isSafeInteger(trailer.sectors * SECTOR)) throw corrupt('The disk of the UDIF image is too large');
  if (isOutside) throw corrupt('The UDIF trailer points beyond the end of the data', { offset: end });
  return trailer;
}

/** Where in the last bytes of a file the trailer begins; null: there is none. */
export function trailerIn(tail: Uint8Array): number | null {
  const view = viewOf(tail);
  for (let at = tail.length - TRAILER_SIZE; at >= 0; at--) {
    if (tail[at] !== TRAILER_MAGIC >>> 24 || view.getUint32(at) !== TRAILER_MAGIC) continue;
    const [sizeAt] = TRAILER.fields.size;
    if (view.getUint32(at + sizeAt) === TRAILER_SIZE) return at;
  }
  return null;
}
