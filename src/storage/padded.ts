/** Reading past the end: formats whose files may be cut off where only zeros follow. */
import type { MaybePromise } from '../maybe.js';
import type { ByteSource } from './storage.js';

/** Fills `into` from `offset`; what lies beyond the end of the storage is zeros. */
export function readPadded(source: ByteSource, offset: number, into: Uint8Array): MaybePromise<void> {
  const available = Math.max(0, Math.min(into.length, source.size - offset));
  into.fill(0, available);
  if (available > 0) return source.read(offset, into.subarray(0, available));
}
