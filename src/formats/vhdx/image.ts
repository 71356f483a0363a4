/** A VHDX image that is read. */
import { corrupt, ImageError } from '../../errors.js';
import type { BackingReference, Extent, Image, ImageDetails } from '../../image/image.js';
import { appendExtent } from '../../image/stretches.js';
import { allSettled, isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSource } from '../../storage/storage.js';
import { type Bat, type BatEntry, ENTRIES_PER_PAGE } from './bat.js';
import { BITMAP_STATE, BLOCK_STATE, MIB } from './layout.js';
import type { Metadata } from './metadata.js';

/** What an image consists of. */
export interface VhdxParts {
  /** The file as it is when its log has been replayed. */
  readonly source: ByteSource;
  readonly metadata: Metadata;
  readonly bat: Bat;
}

export class VhdxImage implements Image {
  readonly format = 'vhdx';
  readonly size: number;
  readonly clusterSize: number;
  readonly backing: BackingReference | null;
  readonly snapshots = [];
  readonly unreadable = null;
  /** The sector bitmap that was read last: an image is read front to back. */
  #bitmap: { block: number; bits: Uint8Array } | null = null;

  constructor(protected readonly parts: VhdxParts) {
    const { size, blockSize, parent } = parts.metadata;
    this.size = size;
    this.clusterSize = blockSize;
    this.backing = parent === null ? null : { name: parent.path, format: 'vhdx' };
  }

  /** As far as one page of the table tells. */
  extents(start: number, length: number): MaybePromise<Extent[]> {
    const { bat } = this.parts;
    const loaded = bat.load(bat.indexOf(Math.floor(start / this.clusterSize)));
    return isPending(loaded) ? loaded.then(() => this.#extents(start, length)) : this.#extents(start, length);
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (offset + into.length > this.size) throw new ImageError('io', 'Input/output error', { offset });
    if (into.length === 0) return;
    const extents = this.extents(offset, into.length);
    if (isPending(extents)) return extents.then((arrived) => this.#readPrefix(arrived, offset, into));
    return this.#readPrefix(extents, offset, into);
  }

  details(): ImageDetails {
    return { clusterSize: this.clusterSize };
  }

  close(): Promise<void> {
    return this.parts.source.close();
  }

  #extents(start: number, length: number): MaybePromise<Extent[]> {
    const { bat } = this.parts;
    const extents: Extent[] = [];
    const end = start + length;
    const page = Math.floor(bat.indexOf(Math.floor(start / this.clusterSize)) / ENTRIES_PER_PAGE);
    for (let at = start; at < end; ) {
      const block = Math.floor(at / this.clusterSize);
      const index = bat.indexOf(block);
      if (Math.floor(index / ENTRIES_PER_PAGE) !== page) break;
      const stop = Math.min(end, (block + 1) * this.clusterSize);
      const entry = bat.entry(index);
      if (entry.state === BLOCK_STATE.partiallyPresent) {
        if (extents.length > 0) break;
        return this.#mixedBlock(block, entry, at, stop);
      }
      appendExtent(extents, this.#blockExtent(entry, at, stop));
      at = stop;
    }
    return extents;
  }

  #blockExtent(entry: BatEntry, start: number, end: number): Extent {
    const { isDifferencing } = this.parts.metadata;
    const extent = (kind: Extent['kind'], hostOffset: number | null): Extent => ({
      ...{ start, length: end - start, kind, compressed: false, hostOffset, depth: 0 },
    });
    switch (entry.state) {
      case BLOCK_STATE.fullyPresent:
        return extent('data', this.#hostOffset(entry, start, end));
      case BLOCK_STATE.notPresent:
        return extent('unallocated', null);
      case BLOCK_STATE.unmapped:
      case BLOCK_STATE.unmappedDraft:
        return extent(isDifferencing ? 'unallocated' : 'zero', null);
      case BLOCK_STATE.undefined:
      case BLOCK_STATE.zero:
        return extent('zero', null);
      default:
        throw corrupt(`The VHDX block at ${start} has the unknown state ${entry.state}`, { offset: start });
    }
  }

  /** The place in the file of guest byte `start`; all up to `end` must be there. */
  #hostOffset({ offset }: BatEntry, start: number, end: number): number {
    const host = offset + (start % this.clusterSize);
    if (offset < MIB) throw corrupt(`The VHDX block at ${start} lies in the header`, { offset: start });
    if (host + (end - start) > this.parts.source.size)
      throw corrupt(`The VHDX block at ${start} ends beyond the end of the file. Image has probably been truncated.`, {
        offset: start,
      });
    return host;
  }

  /** A block of a differencing image of which some sectors are the parent's. */
  #mixedBlock(block: number, entry: BatEntry, start: number, end: number): MaybePromise<Extent[]> {
    if (!this.parts.metadata.isDifferencing)
      throw corrupt(`The VHDX block at ${start} is partially present, in a disk without a parent`, { offset: start });
    const host = this.#hostOffset(entry, start, end);
    const bits = this.#sectorBits(block);
    return isPending(bits)
      ? bits.then((arrived) => this.#bySectors(arrived, host, start, end))
      : this.#bySectors(bits, host, start, end);
  }

  #bySectors(bits: Uint8Array, host: number, start: number, end: number): Extent[] {
    const { sectorSize } = this.parts.metadata;
    const extents: Extent[] = [];
    for (let at = start; at < end; ) {
      const sector = Math.floor((at % this.clusterSize) / sectorSize);
      const stop = Math.min(end, at - (at % sectorSize) + sectorSize);
      const isOwn = ((bits[sector >> 3]! >> (sector & 7)) & 1) === 1;
      const kind = isOwn ? 'data' : 'unallocated';
      const hostOffset = isOwn ? host + (at - start) : null;
      appendExtent(extents, { start: at, length: stop - at, kind, compressed: false, hostOffset, depth: 0 });
      at = stop;
    }
    return extents;
  }

  /** The part of a sector bitmap that describes one block, lowest bit first. */
  #sectorBits(block: number): MaybePromise<Uint8Array> {
    if (this.#bitmap?.block === block) return this.#bitmap.bits;
    return this.#readSectorBits(block);
  }

  async #readSectorBits(block: number): Promise<Uint8Array> {
    const { bat, source, metadata } = this.parts;
    const index = bat.bitmapIndexOf(block);
    await bat.load(index);
    const { state, offset } = bat.entry(index);
    const length = this.clusterSize / metadata.sectorSize / 8;
    const at = offset + (block % (MIB / length)) * length;
    if (state !== BITMAP_STATE.present || offset < MIB || at + length > source.size)
      throw corrupt(`The VHDX sector bitmap of block ${block} is missing`);
    const bits = new Uint8Array(length);
    await source.read(at, bits);
    this.#bitmap = { block, bits };
    return bits;
  }

  #readPrefix(extents: readonly Extent[], offset: number, into: Uint8Array): MaybePromise<void> {
    const work: MaybePromise<void>[] = [];
    let end = offset;
    for (const { kind, start, length, hostOffset } of extents) {
      const part = into.subarray(start - offset, start - offset + length);
      if (kind === 'data') work.push(this.parts.source.read(hostOffset!, part));
      else part.fill(0);
      end = start + length;
    }
    if (end < offset + into.length) work.push(this.read(end, into.subarray(end - offset)));
    return allSettled(work);
  }
}
