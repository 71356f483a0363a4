/** Waits for a failure and gives the `ImageError`; fails if there is none. */
import { ImageError } from '../../src/errors.js';

export async function rejection(work: () => unknown): Promise<ImageError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ImageError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}
