/** What an image says of itself. */
import type { BlockImageParts } from '../../image/blocks/block-image.js';
import type { ParallelsHeader } from './header.js';

type Parts = Pick<BlockImageParts, 'format' | 'size' | 'bitmaps' | 'details'>;

/**
 * All but storage and map. QEMU tells nothing of clusters and flags. The format can have dirty bitmaps; where there is an
 * extension, there may be some, and nobody here knows which.
 */
export function partsOf({ size, extensionOffset }: ParallelsHeader): Parts {
  const parts = { format: 'parallels', size, details: () => ({ dirty: null }) };
  return extensionOffset === 0n ? { ...parts, bitmaps: [] } : parts;
}
