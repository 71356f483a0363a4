/** Telling what format a storage holds. */
import { ImageError } from '../errors.js';
import { findDriver, probeDriver } from '../formats/index.js';
import type { ImageDriver } from '../image/driver.js';
import type { ByteSource } from '../storage/storage.js';

/** Bytes of the beginning and of the end that drivers may look at. */
const PROBE_LENGTH = 64 * 1024;

/** Nothing is a raw disk. Throws what reading throws. */
export async function probeFormat(source: ByteSource): Promise<ImageDriver> {
  const { name: fileName, size } = source;
  if (size === 0) return findDriver('raw')!;
  const head = new Uint8Array(Math.min(size, PROBE_LENGTH));
  const tail = new Uint8Array(Math.min(size, PROBE_LENGTH));
  try {
    await source.read(0, head);
    await source.read(size - tail.length, tail);
  } catch (error) {
    throw error instanceof ImageError ? error.prefixed('Could not read image for determining its format: ') : error;
  }
  return probeDriver({ head, tail, size, fileName });
}

/** The warning for writing to what only seems to be raw: a guest could have made it look like another format. */
export function guessedRaw(name: string): string {
  return (
    `WARNING: Image format was not specified for '${name}' and probing guessed raw.\n` +
    '         Automatically detecting the format is dangerous for raw images, write operations on block 0 will be restricted.\n' +
    "         Specify the 'raw' format explicitly to remove the restrictions."
  );
}
