/** Setting the length of a storage that may be a device. */
import { ImageError } from '../errors.js';
import type { ByteStore } from './storage.js';

/** Gives a storage so many bytes; a device that is larger stays so. Throws what `truncate` throws. */
export async function setLength(store: ByteStore, size: number): Promise<void> {
  try {
    await store.truncate(size);
  } catch (error) {
    const fits = error instanceof ImageError && error.code === 'invalid' && store.size >= size;
    if (!fits) throw error;
  }
}
