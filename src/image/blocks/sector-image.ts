/**
 * Reading differencing disks (VHD, VHDX): of a block that is stored, each sector is the image's own, or the backing
 * file's shows there.
 */
import { ImageError } from '../../errors.js';
import { gather, isPending, type MaybePromise } from '../../maybe.js';
import type { Extent } from '../image.js';
import { appendExtent } from '../stretches.js';
import { BlockImage, type BlockImageParts } from './block-image.js';
import type { BlockMap } from './block-map.js';

/** Blocks that one answer looks at. */
const BLOCKS_AT_ONCE = 1024;

/** A block by its sectors. */
export interface MixedBlock {
  /** Byte of the file at which it begins. */
  readonly host: number;
  /** A bit for each sector; set: the sector is here. */
  readonly bits: Uint8Array;
}

export interface SectorMap extends BlockMap {
  /** Bytes that a bit stands for. */
  readonly sectorSize: number;
  /** The first sector of eight is the highest bit of their byte, not the lowest. */
  readonly highestFirst: boolean;
  /** Block `index` has to be looked at sector by sector; `find` is asked for the others only. */
  isMixed(index: number): MaybePromise<boolean>;
  /** Asked for mixed blocks only. Throws `corrupt`. */
  mixed(index: number): Promise<MixedBlock>;
}

interface SectorImageParts extends BlockImageParts {
  readonly map: SectorMap;
}

export class SectorImage extends BlockImage {
  /** The block that was looked at last: an image is read front to back. */
  #latest: { index: number; block: MixedBlock } | null = null;

  constructor(protected override readonly parts: SectorImageParts) {
    super(parts);
  }

  /** One block by its sectors, or several that are all of a piece. */
  override async extents(start: number, length: number): Promise<Extent[]> {
    const { map } = this.parts;
    const first = Math.floor(start / map.blockSize);
    const last = Math.min(Math.ceil((start + length) / map.blockSize), first + BLOCKS_AT_ONCE);
    for (let index = first; index < last; index++) {
      const answer = map.isMixed(index);
      const isMixed = isPending(answer) ? await answer : answer;
      if (!isMixed) continue;
      if (index === first) return this.#bySector(index, start, Math.min(start + length, (index + 1) * map.blockSize));
      return super.extents(start, index * map.blockSize - start);
    }
    return super.extents(start, Math.min(length, last * map.blockSize - start));
  }

  override read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (offset + into.length > this.size) throw new ImageError('io', 'Input/output error', { offset });
    return gather(async (work) => {
      for (let at = offset; at < offset + into.length; ) {
        for (const { kind, start, length, hostOffset } of await this.extents(at, offset + into.length - at)) {
          const part = into.subarray(start - offset, start - offset + length);
          if (kind === 'data') work.add(this.parts.source.read(hostOffset!, part));
          else part.fill(0);
          at = start + length;
        }
      }
    });
  }

  async #bySector(index: number, start: number, end: number): Promise<Extent[]> {
    const { sectorSize, highestFirst } = this.parts.map;
    const { host, bits } = await this.#block(index);
    const extents: Extent[] = [];
    for (let at = start; at < end; ) {
      const within = at % this.clusterSize;
      const sector = Math.floor(within / sectorSize);
      const stop = Math.min(end, at - (at % sectorSize) + sectorSize);
      const shift = highestFirst ? 7 - (sector & 7) : sector & 7;
      const isOwn = ((bits[sector >> 3]! >> shift) & 1) === 1;
      const kind = isOwn ? 'data' : 'unallocated';
      const hostOffset = isOwn ? host + within : null;
      appendExtent(extents, { start: at, length: stop - at, kind, compressed: false, hostOffset, depth: 0 });
      at = stop;
    }
    return extents;
  }

  async #block(index: number): Promise<MixedBlock> {
    if (this.#latest?.index === index) return this.#latest.block;
    const block = await this.parts.map.mixed(index);
    this.#latest = { index, block };
    return block;
  }
}
