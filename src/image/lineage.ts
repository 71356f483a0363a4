/** How a differencing image knows its parent again: content has an identifier, and who is based on it remembers that. */
import { ImageError } from '../errors.js';
import type { Image } from './image.js';

export interface Lineage {
  /** Of the image's own content; null: it has none. */
  readonly contentId: string | null;
  /** What the parent's was when the image was based on it; any of them will do. Empty: it was not recorded. */
  readonly parentIds: readonly string[];
}

/** Why `below` must not show through; null: it may, also where it cannot be told. */
export function objectionTo(below: Image, { parentIds }: Lineage): ImageError | null {
  const contentId = (below as Image & Partial<Lineage>).contentId ?? null;
  if (contentId === null || parentIds.length === 0 || parentIds.includes(contentId)) return null;
  return new ImageError(
    'invalid',
    `The backing file has been changed, or is not the parent: it is ${contentId}, not ${parentIds[0]}`,
  );
}
