/** The disk of a bundle: its storages end to end, each of them images over images. */
import { ConcatImage } from '../../../image/concat.js';
import type { Extent, Image, ImageDetails, Json } from '../../../image/image.js';
import { OverlayImage } from '../../../image/overlay.js';
import { SliceImage } from '../../../image/slice.js';
import { appendExtent } from '../../../image/stretches.js';
import { ImageView } from '../../../image/view.js';
import { isPending, type MaybePromise } from '../../../maybe.js';
import type { ImageType, Storage } from './descriptor.js';

/** One image of a bundle. */
export interface Layer {
  image: Image;
  guid: string;
  type: ImageType;
  /** The name that it was opened by. */
  fileName: string;
}

/** A storage with its images, the uppermost first. */
export interface OpenedStorage extends Pick<Storage, 'start' | 'end'> {
  layers: readonly Layer[];
}

export class BundleImage extends ConcatImage {
  constructor(protected readonly storages: readonly OpenedStorage[]) {
    super(storages.map(diskOf));
  }

  /** All images are one layer: that they are based on each other is nobody else's business. */
  override extents(start: number, length: number): MaybePromise<Extent[]> {
    const found = super.extents(start, length);
    return isPending(found) ? found.then(flattened) : flattened(found);
  }

  override details(): ImageDetails {
    const images = this.storages.flatMap(({ start, end, layers }) =>
      layers.map(({ guid, type, fileName }): Json => ({ start, length: end - start, guid, type, filename: fileName })),
    );
    return { dirty: null, formatSpecific: { type: 'parallels', data: { images } } };
  }
}

/** A part of the disk as its images make it. */
function diskOf({ start, end, layers }: OpenedStorage): Image {
  const images = layers.map((layer): Image => new InFile(layer.image, layer.fileName));
  const disk = images.reduceRight((lower, upper) => new OverlayImage(upper, lower));
  return new SliceImage(disk, 0, end - start);
}

function flattened(found: readonly Extent[]): Extent[] {
  const extents: Extent[] = [];
  for (const extent of found) appendExtent(extents, { ...extent, depth: 0 });
  return extents;
}

/** An image whose extents say which file they are in. */
class InFile extends ImageView {
  constructor(
    image: Image,
    private readonly file: string,
  ) {
    super(image);
  }

  extents(start: number, length: number): MaybePromise<Extent[]> {
    const found = this.disk.extents(start, length);
    return isPending(found) ? found.then((extents) => this.#inFile(extents)) : this.#inFile(found);
  }

  #inFile(extents: readonly Extent[]): Extent[] {
    return extents.map((extent) => (extent.hostOffset === null ? extent : { ...extent, file: this.file }));
  }
}
