/** What is done about metadata that contradict themselves, and how QEMU words it. */
import { corrupt, type ImageError } from '../../errors.js';
import type { CheckEvents } from '../../image/check.js';
import type { ByteStore } from '../../storage/storage.js';
import type { QcowHeader } from './header.js';
import { HEADER_V3, INCOMPATIBLE } from './layout.js';

/** C's `%#x`: 0 has no prefix. */
export function alternateHex(value: number): string {
  return value === 0 ? '0' : `0x${value.toString(16)}`;
}

/** Metadata contradict themselves, so that the image is marked as corrupt. */
export function markingAsCorrupt(message: string): string {
  return `qcow2: Marking image as corrupt: ${message}; further corruption events will be suppressed`;
}

/**
 * Marks an image as corrupt, so that nobody changes it before it was repaired: at once, in the file, and in `header`, which
 * is written again later. It is told once. Returns the failure to throw.
 */
export async function markCorrupt(
  store: ByteStore,
  header: QcowHeader,
  message: string,
  events?: CheckEvents,
): Promise<ImageError> {
  if ((header.incompatibleFeatures & INCOMPATIBLE.corrupt) === 0n) {
    events?.onFinding(markingAsCorrupt(message));
    header.incompatibleFeatures |= INCOMPATIBLE.corrupt;
    if (header.version === 3) await writeMark(store);
  }
  return corrupt('Input/output error');
}

async function writeMark(store: ByteStore): Promise<void> {
  const bytes = new Uint8Array(HEADER_V3.size);
  await store.read(0, bytes);
  const { incompatibleFeatures } = HEADER_V3.read(bytes);
  HEADER_V3.write(bytes, { incompatibleFeatures: incompatibleFeatures | INCOMPATIBLE.corrupt });
  await store.write(0, bytes);
}
