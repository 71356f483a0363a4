/** Reading what can still be read (--salvage). */
import { throwIfAborted } from '../errors.js';
import type { Image } from '../image/image.js';

/** Told of each guest range that was replaced by zeros, and why. */
export type Salvage = (offset: number, length: number, error: unknown) => void;

const SECTOR = 512;

/** Fills `bytes` sector by sector; sectors that cannot be read become zeros and are told to `salvage`. */
export async function readSalvaging(
  source: Image,
  offset: number,
  bytes: Uint8Array,
  salvage: Salvage,
  signal?: AbortSignal,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += SECTOR) {
    throwIfAborted(signal);
    const sector = bytes.subarray(at, Math.min(at + SECTOR, bytes.length));
    try {
      await source.read(offset + at, sector);
    } catch (error) {
      sector.fill(0);
      salvage(offset + at, sector.length, error);
    }
  }
}
