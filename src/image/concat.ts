/**
 * Several disks end to end, as `convert A B C TARGET` reads them; each filled up with zeros to whole sectors.
 */
import { roundUp } from '../bytes.js';
import type { ImageError } from '../errors.js';
import { gather, isPending, type MaybePromise } from '../maybe.js';
import type { Extent, Image, ImageDetails } from './image.js';

export const SECTOR = 512;

interface Part {
  image: Image;
  /** Where it begins in the whole, and where the next one does. */
  start: number;
  end: number;
}

export class ConcatImage implements Image {
  readonly format: string;
  readonly size: number;
  readonly clusterSize: number;
  readonly backing = null;
  readonly snapshots = [];
  readonly unreadable: ImageError | null;
  readonly #parts: Part[] = [];

  /** `images`: one at least. */
  constructor(images: readonly Image[]) {
    let start = 0;
    for (const image of images) {
      const end = start + roundUp(image.size, SECTOR);
      this.#parts.push({ image, start, end });
      start = end;
    }
    this.size = start;
    this.format = images[0]!.format;
    this.clusterSize = Math.max(...images.map((image) => image.clusterSize));
    this.unreadable = images.find((image) => image.unreadable !== null)?.unreadable ?? null;
  }

  extents(start: number, length: number): MaybePromise<Extent[]> {
    const part = this.#partAt(start);
    const { image } = part;
    const inner = start - part.start;
    if (inner >= image.size) {
      const padding = Math.min(length, part.end - start);
      return [{ start, length: padding, kind: 'zero', compressed: false, hostOffset: null, depth: 0 }];
    }
    const known = image.extents(inner, Math.min(length, image.size - inner));
    const moved = (extents: Extent[]) => extents.map((extent) => ({ ...extent, start: extent.start + part.start }));
    return isPending(known) ? known.then(moved) : moved(known);
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    return gather((work) => {
      for (let at = offset; at < offset + into.length; ) {
        const part = this.#partAt(at);
        const end = Math.min(part.end, offset + into.length);
        work.add(readPadded(part.image, at - part.start, into.subarray(at - offset, end - offset)));
        at = end;
      }
    });
  }

  details(): ImageDetails {
    return {};
  }

  async close(): Promise<void> {
    for (const { image } of this.#parts) await image.close();
  }

  /** The part that holds the byte at `offset`; parts are few, empty ones hold nothing. */
  #partAt(offset: number): Part {
    return this.#parts.find((part) => offset < part.end)!;
  }
}

function readPadded(image: Image, offset: number, into: Uint8Array): MaybePromise<void> {
  const available = Math.max(0, image.size - offset);
  if (available >= into.length) return image.read(offset, into);
  into.fill(0, available);
  return available === 0 ? undefined : image.read(offset, into.subarray(0, available));
}
