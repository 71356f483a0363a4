/** What went wrong, as something that can be told. */
import { ImageError } from '../../src/platform/web/index.js';

/** Anything else than an `ImageError` is a fault of this page, not of the image. */
export function failureOf(thrown: unknown): ImageError {
  if (thrown instanceof ImageError) return thrown;
  console.error(thrown);
  return new ImageError('io', thrown instanceof Error ? thrown.message : String(thrown));
}
