/** What an image says of itself. */
import type { BlockImageParts } from '../../image/blocks/block-image.js';
import type { ParallelsHeader } from './header.js';

/** All but storage and map. QEMU tells nothing of clusters and flags. */
export function partsOf({ size }: ParallelsHeader): Pick<BlockImageParts, 'format' | 'size' | 'details'> {
  return { format: 'parallels', size, details: () => ({ dirty: null }) };
}
