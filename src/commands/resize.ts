/** `resize`: another size for an image's disk. */
import { ImageError } from '../errors.js';
import type { GrowthPreallocation } from '../image/image.js';
import { type EditTarget, ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import type { ImageName, Trust } from './settings.js';

export interface ResizeImageRequest extends ImageName, Trust {
  /** Bytes: the new size, or what is to be added to the present one. */
  size: bigint;
  isRelative: boolean;
  /** The disk may become shorter. */
  shrink: boolean;
  preallocation: GrowthPreallocation;
}

/**
 * What came of it; with 'would-shrink' nothing has changed, as the disk would have become shorter and nobody allowed
 * that.
 */
export type ResizeResult = 'resized' | 'would-shrink';

/** Throws `ImageError`. */
export async function resizeImage(platform: Platform, request: ResizeImageRequest): Promise<ResizeResult> {
  return ImageOpener.use(platform, request, async (opener) => {
    const target = await opener.edit(request, { cache: 'writeback', compress: false, keepAllocated: false });
    const before = target.editor.size;
    // As a signed number of 64 bits, which is what it is to `qemu-img`.
    const wanted = BigInt.asIntN(64, request.isRelative ? BigInt(before) + request.size : request.size);
    if (wanted <= 0n) throw new ImageError('invalid', 'New image size must be positive');
    if (wanted <= before && request.preallocation !== 'off')
      throw new ImageError('invalid', 'Preallocation can only be used for growing images');
    if (wanted < before && !request.shrink) return 'would-shrink';
    await resizeTarget(opener, target, Number(wanted), request.preallocation);
    await target.editor.finish();
    return 'resized';
  });
}

/** Gives an image that is open another size. What is added hides what a longer backing file has there. */
export async function resizeTarget(
  opener: ImageOpener,
  { node, editor }: EditTarget,
  size: number,
  preallocation: GrowthPreallocation,
): Promise<void> {
  const { backing } = node;
  const grows = size > editor.size;
  const hidesBacking = grows && backing !== null && (await opener.layer(backing)).size > editor.size;
  if (editor.resize === undefined) throw new ImageError('unsupported', 'Image format driver does not support resize');
  await editor.resize(size, { preallocation, hidesBacking });
}
