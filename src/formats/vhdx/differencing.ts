/**
 * Differencing images: blocks of which some sectors are the parent's.
 *
 * Specification: [MS-VHDX], section 2.5.1.1, state 7, and section 2.5.2 for the sector bitmaps.
 */
import { corrupt, ImageError } from '../../errors.js';
import { BlockImage, type BlockImageParts } from '../../image/blocks/block-image.js';
import type { Extent } from '../../image/image.js';
import { appendExtent } from '../../image/stretches.js';
import { allSettled, isPending, type MaybePromise } from '../../maybe.js';
import { BITMAP_STATE, BLOCK_STATE, MIB } from './layout.js';
import type { BatEntry, VhdxMap } from './map.js';

/** Blocks that one answer looks at. */
const BLOCKS_AT_ONCE = 1024;

interface DifferencingParts extends BlockImageParts {
  readonly map: VhdxMap;
}

export class DifferencingImage extends BlockImage {
  /** The part of a bitmap that was read last: an image is read front to back. */
  #latest: { block: number; bits: Uint8Array } | null = null;

  constructor(
    protected override readonly parts: DifferencingParts,
    private readonly sectorSize: number,
  ) {
    super(parts);
  }

  /** One block by its sectors, or several that are all of a piece. */
  override async extents(start: number, length: number): Promise<Extent[]> {
    const { map } = this.parts;
    const first = Math.floor(start / map.blockSize);
    const last = Math.min(Math.ceil((start + length) / map.blockSize), first + BLOCKS_AT_ONCE);
    for (let block = first; block < last; block++) {
      const answer = map.entry(block);
      const entry = isPending(answer) ? await answer : answer;
      if (entry.state !== BLOCK_STATE.partiallyPresent) continue;
      if (block === first)
        return this.#mixed(block, entry, start, Math.min(start + length, (block + 1) * map.blockSize));
      return super.extents(start, block * map.blockSize - start);
    }
    return super.extents(start, Math.min(length, last * map.blockSize - start));
  }

  override async read(offset: number, into: Uint8Array): Promise<void> {
    if (offset + into.length > this.size) throw new ImageError('io', 'Input/output error', { offset });
    const work: MaybePromise<void>[] = [];
    for (let at = offset; at < offset + into.length; ) {
      for (const { kind, start, length, hostOffset } of await this.extents(at, offset + into.length - at)) {
        const part = into.subarray(start - offset, start - offset + length);
        if (kind === 'data') work.push(this.parts.source.read(hostOffset!, part));
        else part.fill(0);
        at = start + length;
      }
    }
    await allSettled(work);
  }

  async #mixed(block: number, entry: BatEntry, start: number, end: number): Promise<Extent[]> {
    const { sectorSize } = this;
    const host = this.parts.map.hostOf(block, entry) - block * this.clusterSize;
    const bits = await this.#bitsOf(block);
    const extents: Extent[] = [];
    for (let at = start; at < end; ) {
      const sector = Math.floor((at % this.clusterSize) / sectorSize);
      const stop = Math.min(end, at - (at % sectorSize) + sectorSize);
      const isOwn = ((bits[sector >> 3]! >> (sector & 7)) & 1) === 1;
      const kind = isOwn ? 'data' : 'unallocated';
      const hostOffset = isOwn ? host + at : null;
      appendExtent(extents, { start: at, length: stop - at, kind, compressed: false, hostOffset, depth: 0 });
      at = stop;
    }
    return extents;
  }

  /** A bit for each sector of a block, lowest first; set: the sector is here. */
  async #bitsOf(block: number): Promise<Uint8Array> {
    if (this.#latest?.block === block) return this.#latest.bits;
    const { map, source } = this.parts;
    const { state, offset } = await map.bitmapEntry(block);
    const bits = new Uint8Array(this.clusterSize / this.sectorSize / 8);
    // A bitmap has 1 MiB, for all blocks of a chunk.
    const at = offset + (block % (MIB / bits.length)) * bits.length;
    if (state !== BITMAP_STATE.present || offset < MIB || at + bits.length > source.size)
      throw corrupt(`The VHDX sector bitmap of block ${block} is missing`);
    await source.read(at, bits);
    this.#latest = { block, bits };
    return bits;
  }
}
