/** How QEMU words what it finds wrong with an image's metadata. */

/** C's `%#x`: 0 has no prefix. */
export function alternateHex(value: number): string {
  return value === 0 ? '0' : `0x${value.toString(16)}`;
}

/** Metadata contradict themselves, so that the image is marked as corrupt. */
export function markingAsCorrupt(message: string): string {
  return `qcow2: Marking image as corrupt: ${message}; further corruption events will be suppressed`;
}
