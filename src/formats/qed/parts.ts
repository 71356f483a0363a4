/** What an image says of itself. */
import type { BlockImageParts } from '../../image/blocks/block-image.js';
import type { BackingReference } from '../../image/image.js';
import { FEATURE, type QedHeader } from './layout.js';

/** All but storage and map. */
export function partsOf(
  header: QedHeader,
  backing: BackingReference | null,
): Pick<BlockImageParts, 'format' | 'size' | 'backing' | 'details'> {
  return {
    format: 'qed',
    size: header.imageSize,
    backing,
    details: () => ({ clusterSize: header.clusterSize, dirty: (header.features & FEATURE.needCheck) !== 0n }),
  };
}
