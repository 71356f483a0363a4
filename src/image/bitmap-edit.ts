/** Changing the persistent dirty bitmaps of an image, and nothing else of it. */
import { ImageError } from '../errors.js';
import type { BitmapInfo, Image } from './image.js';

/** What QEMU calls a node that nobody has named; messages name the image so. */
export const UNNAMED_NODE = '#block100';

/** Bitmaps that could not be stored; the disk is as it should be. */
export class LostBitmaps extends ImageError {}

/** The failure to store bitmaps, as QEMU words it. */
export function lostBitmaps(error: unknown): unknown {
  if (!(error instanceof ImageError)) return error;
  const { code, message, file, offset } = error;
  const what = `Lost persistent bitmaps during inactivation of node '${UNNAMED_NODE}': `;
  return new LostBitmaps(code, what + message, { file, offset, cause: error });
}

/** A bitmap of some image, to be merged into another. */
export interface BitmapSource {
  image: Image;
  name: string;
}

/**
 * An image whose bitmaps are open to be changed. Changes stay in memory, in their order, until `finish` stores them: all
 * bitmaps in the file are as before it or as after it. Each throws `not-found` for a name that the image does not have,
 * and `invalid` where a bitmap is inconsistent (`inUse`) and its content or flags are to be used.
 */
export interface BitmapEditor extends Image {
  /** As the file has them. */
  readonly bitmaps: readonly BitmapInfo[];
  /** A new, empty one that records writes; `granularity` null: what suits the image. Throws `exists`, `invalid`, `unsupported`. */
  addBitmap(name: string, granularity: number | null): void;
  removeBitmap(name: string): void;
  /** Nothing is marked any more. */
  clearBitmap(name: string): void;
  /** Whether writes are recorded. */
  enableBitmap(name: string, enabled: boolean): void;
  /** Marks what the other one marks, of another image of the same size or of this one. */
  mergeBitmap(name: string, source: BitmapSource): void;
  finish(): Promise<void>;
}
