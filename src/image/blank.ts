/** A disk with nothing in it. */
import type { Extent, Image, ImageDetails } from './image.js';

/** All of it is unallocated: zeros by itself, and as the upper layer of an `OverlayImage` the lower one at another size. */
export class BlankImage implements Image {
  readonly format = 'raw';
  readonly clusterSize = 1;
  readonly backing = null;
  readonly snapshots = [];
  readonly unreadable = null;

  constructor(readonly size: number) {}

  extents(start: number, length: number): Extent[] {
    return [{ start, length, kind: 'unallocated', compressed: false, hostOffset: null, depth: 0 }];
  }

  read(_offset: number, into: Uint8Array): void {
    into.fill(0);
  }

  details(): ImageDetails {
    return {};
  }

  async close(): Promise<void> {}
}
