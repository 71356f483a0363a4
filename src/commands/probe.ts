/** Telling what format a storage holds. */
import { ImageError } from '../errors.js';
import { findDriver, probeDriver } from '../formats/index.js';
import { FOUND_BY_END, type ImageDriver } from '../image/driver.js';
import type { ByteSource } from '../storage/storage.js';

/** Bytes of the beginning and of the end that drivers may look at. */
const PROBE_LENGTH = 64 * 1024;

/**
 * Nothing is a raw disk. Throws what reading throws.
 *
 * @param warn told of a format that only the end of the storage speaks for
 */
export async function probeFormat(source: ByteSource, warn: (message: string) => void): Promise<ImageDriver> {
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
  const { driver, score } = probeDriver({ head, tail, size, fileName });
  if (score === FOUND_BY_END)
    warn(`'${fileName}' is taken for ${driver.name} by what stands at its end; say -f raw if it is a raw disk`);
  return driver;
}

/** Bytes at the beginning that may not change a guess; QEMU's. */
const GUARDED = 512;

/**
 * Refuses to write `bytes` at the beginning of what was only guessed to be raw if another format would be found there
 * from now on: a guest could have any file read that it names. Throws `denied`.
 */
export function checkGuess(bytes: Uint8Array): void {
  const head = bytes.subarray(0, GUARDED);
  const { driver } = probeDriver({ head, tail: new Uint8Array(0), size: head.length, fileName: '' });
  if (driver.name !== 'raw') throw new ImageError('denied', 'Operation not permitted');
}

/** The warning for writing to what only seems to be raw: a guest could have made it look like another format. */
export function guessedRaw(name: string): string {
  return (
    `WARNING: Image format was not specified for '${name}' and probing guessed raw.\n` +
    '         Automatically detecting the format is dangerous for raw images, write operations on block 0 will be restricted.\n' +
    "         Specify the 'raw' format explicitly to remove the restrictions."
  );
}
