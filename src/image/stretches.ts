/** Lists of extents, for images that are made of other images. */
import type { Extent } from './image.js';

/** Appends `extent` to a list that it continues; merged with the last one if nothing tells them apart. */
export function appendExtent(extents: Extent[], extent: Extent): void {
  const last = extents.at(-1);
  if (last !== undefined && continues(last, extent)) last.length += extent.length;
  else extents.push({ ...extent });
}

/** `next` follows `last`, in the disk and in the storage, and has the same status. */
export function continues(last: Extent, next: Extent): boolean {
  const hostEnd = last.hostOffset === null ? null : last.hostOffset + last.length;
  return (
    last.kind === next.kind &&
    last.compressed === next.compressed &&
    last.isHole === next.isHole &&
    last.depth === next.depth &&
    last.file === next.file &&
    last.start + last.length === next.start &&
    hostEnd === next.hostOffset
  );
}
