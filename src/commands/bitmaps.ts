/** Dirty bitmaps on their way from the source's top layer to the target (--bitmaps). */
import { ImageError } from '../errors.js';
import type { BitmapInfo, Image, ImageWriter } from '../image/image.js';
import { WriterFilter } from '../image/writer-filter.js';
import type { GraphNode } from './graph.js';

/** The images whose bitmaps are to be copied, and which of them. */
export interface BitmapCopy {
  image: Image;
  bitmaps: readonly BitmapInfo[];
}

/** Chooses the bitmaps. Throws `unsupported` where there can be none, `invalid` for one that is inconsistent. */
export function chooseBitmaps(
  nodes: readonly GraphNode[],
  skipBroken: boolean,
  warn: (message: string) => void,
): BitmapCopy {
  if (nodes.length > 1) throw new ImageError('invalid', 'Copying bitmaps only possible with single source');
  const [node] = nodes;
  if (node?.kind !== 'image' || node.image.bitmaps === undefined)
    throw new ImageError('unsupported', 'Source lacks bitmap support');
  const { image } = node;
  // As QEMU goes through them: the latest first.
  const broken = node.image.bitmaps.filter(({ inUse }) => inUse).reverse();
  if (broken.length > 0 && !skipBroken) {
    throw new ImageError(
      'invalid',
      `Cannot copy inconsistent bitmap '${broken[0]!.name}'\n` +
        "Try --skip-broken-bitmaps, or use 'qemu-img bitmap --remove' to delete it",
    );
  }
  for (const { name } of broken) warn(`Skipping inconsistent bitmap '${name}'`);
  return { image, bitmaps: node.image.bitmaps.filter(({ inUse }) => !inUse) };
}

/** Stores the bitmaps when all data is in place. */
export class BitmapWriter extends WriterFilter {
  constructor(
    inner: ImageWriter,
    private readonly copy: BitmapCopy,
  ) {
    super(inner);
  }

  override async finish(): Promise<void> {
    const { image, bitmaps } = this.copy;
    for (const bitmap of bitmaps) {
      try {
        await this.inner.addBitmap!(bitmap, image.bitmapContent!(bitmap));
      } catch (error) {
        throw error instanceof ImageError ? error.prefixed(`Failed to populate bitmap ${bitmap.name}: `) : error;
      }
    }
    await this.inner.finish();
  }
}
