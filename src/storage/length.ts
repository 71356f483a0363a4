/** Setting the length of a storage that may be a device. */
import { ImageError } from '../errors.js';
import type { ByteStore, Preallocation } from './storage.js';

/** Gives a storage so many bytes; a device that is larger stays so. Throws what `truncate` throws. */
export async function setLength(store: ByteStore, size: number): Promise<void> {
  try {
    await store.truncate(size);
  } catch (error) {
    const fits = error instanceof ImageError && error.code === 'invalid' && store.size >= size;
    if (!fits) throw error;
  }
}

/**
 * Gives a storage that is in use another length; what is added reads as zeros. Throws as `qemu-img resize` words it:
 * `invalid` where the length is fixed and differs, `unsupported` for a kind of preallocation that there is not.
 */
export async function changeLength(
  store: ByteStore,
  size: number,
  preallocation: Preallocation | 'metadata',
): Promise<void> {
  if (!Number.isSafeInteger(size)) throw new ImageError('invalid', 'Could not resize file: File too large');
  if (preallocation !== 'off' && store.preallocate !== undefined) {
    if (preallocation === 'metadata')
      throw new ImageError('unsupported', 'Unsupported preallocation mode: metadata', { file: store.name });
    await store.preallocate(size, preallocation);
    return;
  }
  try {
    await store.truncate(size);
  } catch (error) {
    // "Grow" is the word where a larger storage would have done.
    if (!(error instanceof ImageError) || !error.message.startsWith('Cannot grow')) throw error;
    throw new ImageError(error.code, error.message.replace('grow', 'resize'), { file: error.file, cause: error });
  }
}
