/** A VMDK disk: its extents end to end. */
import { ImageError } from '../../errors.js';
import type { BackingReference, Extent, Image, ImageDetails, Json } from '../../image/image.js';
import { gather, isPending, type MaybePromise } from '../../maybe.js';
import type { Descriptor } from './descriptor.js';

/** A stretch of the disk. */
export interface Part<I extends Image = Image> {
  image: I;
  /** Name of its file; null: the image's own. */
  file: string | null;
  /** What `info` tells of it. */
  about: ExtentInfo;
}

export interface ExtentInfo {
  fileName: string;
  /** As the descriptor has it; '' where it describes the file that it is in. */
  type: string;
  compressed: boolean;
  /** Bytes; null: the extent is plain. */
  grainSize: number | null;
}

/** What all extents have in common. */
export interface DiskParts<I extends Image = Image> {
  parts: readonly Part<I>[];
  descriptor: Pick<Descriptor, 'cid' | 'parentCid' | 'parentName'>;
  createType: string;
}

interface Place<I extends Image> extends Part<I> {
  /** Where it begins and ends in the disk. */
  start: number;
  end: number;
}

export class VmdkImage<I extends Image = Image> implements Image {
  readonly format = 'vmdk';
  readonly size: number;
  readonly clusterSize: number;
  readonly backing: BackingReference | null;
  readonly snapshots = [];
  readonly unreadable: ImageError | null;
  protected readonly places: readonly Place<I>[];

  constructor(private readonly disk: DiskParts<I>) {
    const { parts, descriptor } = disk;
    let end = 0;
    this.places = parts.map((part) => {
      const start = end;
      end += part.image.size;
      return { ...part, start, end };
    });
    this.size = end;
    this.clusterSize = parts.reduce((most, { image }) => Math.max(most, image.clusterSize), 1);
    this.unreadable = parts.find(({ image }) => image.unreadable !== null)?.image.unreadable ?? null;
    const { parentName } = descriptor;
    this.backing = parentName === null ? null : { name: parentName, format: 'vmdk' };
  }

  /** Identifies the content, for images that have this one as their backing file. */
  get cid(): number {
    return this.disk.descriptor.cid ?? 0;
  }

  extents(start: number, length: number): MaybePromise<Extent[]> {
    const place = this.placeAt(start);
    const found = place.image.extents(start - place.start, Math.min(length, place.end - start));
    if (place.start === 0 && place.file === null) return found;
    const moved = (extents: Extent[]) => extents.map((extent) => movedTo(extent, place));
    return isPending(found) ? found.then(moved) : moved(found);
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    const end = offset + into.length;
    if (end > this.size) throw new ImageError('io', 'Input/output error', { offset });
    return gather((work) => {
      for (let at = offset; at < end; ) {
        const { image, start, end: stop } = this.placeAt(at);
        const part = into.subarray(at - offset, Math.min(stop, end) - offset);
        work.add(image.read(at - start, part));
        at += part.length;
      }
    });
  }

  /** The backing file must be what it was when this image was made over it. */
  objectsTo(below: Image): ImageError | null {
    if (isVmdk(below) && below.cid === this.disk.descriptor.parentCid) return null;
    return new ImageError('invalid', 'Invalid argument', {
      cause: new ImageError('invalid', 'The backing file has been changed: its CID is not the parentCID'),
    });
  }

  details(): ImageDetails {
    const { parts, descriptor, createType } = this.disk;
    const [first] = parts;
    const isUniform = parts.every(({ about }) => hasSameKind(about, first!.about));
    const clusterSize = isUniform ? (first?.about.grainSize ?? null) : null;
    return {
      ...(clusterSize === null ? {} : { clusterSize }),
      formatSpecific: {
        type: 'vmdk',
        data: {
          cid: this.cid,
          'parent-cid': descriptor.parentCid ?? 0,
          'create-type': createType,
          extents: parts.map(({ image, about }) => extentJson(image, about)),
        },
      },
    };
  }

  async close(): Promise<void> {
    for (const { image } of this.places) await image.close();
  }

  /** The extent that holds the byte of the disk at `offset`. */
  protected placeAt(offset: number): Place<I> {
    const { places } = this;
    let low = 0;
    for (let high = places.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (places[middle]!.end <= offset) low = middle + 1;
      else high = middle;
    }
    return places[low]!;
  }
}

function isVmdk(image: Image): image is VmdkImage {
  return image.format === 'vmdk' && 'cid' in image;
}

function movedTo(extent: Extent, { start, file }: Place<Image>): Extent {
  const moved = { ...extent, start: extent.start + start };
  return file === null ? moved : { ...moved, file };
}

function hasSameKind(one: ExtentInfo, other: ExtentInfo): boolean {
  return one.compressed === other.compressed && one.grainSize === other.grainSize;
}

function extentJson(image: Image, { fileName, type, compressed, grainSize }: ExtentInfo): Json {
  return {
    ...(compressed ? { compressed } : {}),
    'virtual-size': image.size,
    filename: fileName,
    ...(grainSize === null ? {} : { 'cluster-size': grainSize }),
    format: type,
  };
}
