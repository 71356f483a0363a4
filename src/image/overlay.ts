/**
 * An image over its backing image.
 *
 * What the upper layer leaves unallocated is the lower image's, byte for byte; beyond the lower image's end, zeros. The
 * lower image may be shorter or longer than the upper one, and an overlay itself: a chain is overlays all the way down.
 */
import type { ImageError } from '../errors.js';
import { gather, isPending, type MaybePromise } from '../maybe.js';
import type { BackingReference, Extent, Image, ImageDetails, SnapshotInfo, TakeStream } from './image.js';
import { samePacking } from './packing.js';
import { appendExtent } from './stretches.js';

export class OverlayImage implements Image {
  readonly format: string;
  readonly size: number;
  readonly clusterSize: number;
  readonly backing: BackingReference | null;
  readonly snapshots: readonly SnapshotInfo[];
  readonly unreadable: ImageError | null;

  /** @param objection thrown when the lower image's content is read; null: it may be */
  constructor(
    private readonly upper: Image,
    private readonly lower: Image,
    private readonly objection: ImageError | null = null,
  ) {
    this.format = upper.format;
    this.size = upper.size;
    this.clusterSize = upper.clusterSize;
    this.backing = upper.backing;
    this.snapshots = upper.snapshots;
    this.unreadable = upper.unreadable ?? lower.unreadable;
  }

  /** Extents of the lower image are one deeper; what is unallocated at depth 0 has nothing beneath it and reads as zeros. */
  extents(start: number, length: number): MaybePromise<Extent[]> {
    const own = this.upper.extents(start, length);
    return isPending(own) ? own.then((extents) => this.#lookThrough(extents)) : this.#lookThrough(own);
  }

  #lookThrough(own: Extent[]): MaybePromise<Extent[]> {
    const seen: Extent[] = [];
    for (const extent of own) {
      if (extent.kind !== 'unallocated') {
        appendExtent(seen, extent);
        continue;
      }
      const end = extent.start + extent.length;
      for (let at = extent.start; at < end; ) {
        const below = this.#below({ ...extent, start: at, length: end - at });
        // what follows is left for the next question rather than waited for
        if (isPending(below)) return below.then((extents) => append(seen, extents));
        append(seen, below);
        at = endOf(below);
      }
    }
    return seen;
  }

  /** A prefix of the unallocated `extent`, as the lower image has it. */
  #below(extent: Extent): MaybePromise<Extent[]> {
    const available = this.lower.size - extent.start;
    if (available <= 0) return [extent];
    const below = this.lower.extents(extent.start, Math.min(extent.length, available));
    return isPending(below) ? below.then(deeper) : deeper(below);
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    return this.#read(offset, into);
  }

  /** The upper layer's; what the lower one has in another way is only read. */
  get packing(): Image['packing'] {
    return this.upper.packing;
  }

  readPacked(offset: number, into: Uint8Array, take: TakeStream): MaybePromise<void> {
    return this.#read(offset, into, take);
  }

  #read(offset: number, into: Uint8Array, take?: TakeStream): MaybePromise<void> {
    const extents = this.upper.extents(offset, into.length);
    return isPending(extents)
      ? extents.then((known) => this.#readBy(known, offset, into, take))
      : this.#readBy(extents, offset, into, take);
  }

  /** One call for each stretch of neighbours that come from the same layer. */
  #readBy(extents: Extent[], offset: number, into: Uint8Array, take?: TakeStream): MaybePromise<void> {
    return gather((work) => {
      let at = offset;
      for (let i = 0; i < extents.length; ) {
        const through = extents[i]!.kind === 'unallocated';
        let end = at;
        while (i < extents.length && (extents[i]!.kind === 'unallocated') === through) end += extents[i++]!.length;
        const part = into.subarray(at - offset, end - offset);
        work.add(through ? this.#readLower(at, part, take) : readLayer(this.upper, at, part, take));
        at = end;
      }
      if (at - offset < into.length) work.add(this.#read(at, into.subarray(at - offset), take));
    });
  }

  #readLower(offset: number, into: Uint8Array, take?: TakeStream): MaybePromise<void> {
    if (this.objection !== null) throw this.objection;
    const taken = samePacking(this.upper, this.lower) ? take : undefined;
    const available = Math.max(0, this.lower.size - offset);
    if (available >= into.length) return readLayer(this.lower, offset, into, taken);
    into.fill(0, available);
    return available === 0 ? undefined : readLayer(this.lower, offset, into.subarray(0, available), taken);
  }

  details(): ImageDetails {
    return this.upper.details();
  }

  async close(): Promise<void> {
    await this.upper.close();
    await this.lower.close();
  }
}

function readLayer(layer: Image, offset: number, into: Uint8Array, take?: TakeStream): MaybePromise<void> {
  if (take === undefined || layer.readPacked === undefined) return layer.read(offset, into);
  return layer.readPacked(offset, into, take);
}

function append(extents: Extent[], more: Extent[]): Extent[] {
  for (const extent of more) appendExtent(extents, extent);
  return extents;
}

function endOf(extents: Extent[]): number {
  const last = extents.at(-1)!;
  return last.start + last.length;
}

function deeper(extents: Extent[]): Extent[] {
  return extents.map((extent) => ({ ...extent, depth: extent.depth + 1 }));
}
