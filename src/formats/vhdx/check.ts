/** Checking a VHDX image: each block that is present must lie in the file, and in nothing else. */
import { BlockImage } from '../../image/blocks/block-image.js';
import type { CheckableImage, CheckReport, CheckRequest } from '../../image/check.js';
import type { DriverContext } from '../../image/driver.js';
import { isPending } from '../../maybe.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { BLOCK_STATE, MIB } from './layout.js';
import { imageParts, type OpenedVhdx, prepareForWriting, readStructures } from './open.js';
import { overlapping } from './regions.js';

/** With a `store`, what the log holds is made in the file, which is the only repair there is. */
export async function openForCheck(
  source: ByteSource,
  store: ByteStore | null,
  { kernels }: DriverContext,
): Promise<CheckableImage> {
  return new CheckedVhdx(
    await (store === null ? readStructures(source, kernels) : prepareForWriting(store, kernels)),
    store !== null,
  );
}

class CheckedVhdx extends BlockImage implements CheckableImage {
  /** Changes of the log that were made in the file; they count once. */
  #repaired: number;

  constructor(
    private readonly opened: OpenedVhdx,
    isRepair: boolean,
  ) {
    super(imageParts(opened));
    this.#repaired = isRepair && opened.wasReplayed ? 1 : 0;
  }

  async check({ events }: CheckRequest): Promise<CheckReport> {
    const corruptionsFixed = this.#repaired;
    this.#repaired = 0;
    let corruptions = 0;
    for await (const finding of new Findings(this.opened).all()) {
      corruptions++;
      events.onFinding(finding);
    }
    const clusters = { total: 0, allocated: 0, fragmented: 0, compressed: 0 };
    return { corruptions, leaks: 0, checkErrors: 0, corruptionsFixed, leaksFixed: 0, clusters, imageEndOffset: 0 };
  }
}

class Findings {
  /** A bit for each MiB of the file: a block is there. */
  readonly #taken: Uint8Array;

  constructor(private readonly opened: OpenedVhdx) {
    this.#taken = new Uint8Array(Math.ceil(opened.source.size / MIB / 8) + 1);
  }

  async *all(): AsyncGenerator<string> {
    const { map } = imageParts(this.opened);
    const { size, blockSize } = this.opened.metadata;
    for (let block = 0; block * blockSize < size; block++) {
      const answer = map.entry(block);
      const { state, offset } = isPending(answer) ? await answer : answer;
      if (state !== BLOCK_STATE.fullyPresent && state !== BLOCK_STATE.partiallyPresent) continue;
      yield* this.#ofBlock(map.indexOf(block), offset, Math.min(blockSize, size - block * blockSize));
    }
  }

  /** `length`: of the block as far as the disk reaches; old images end with it. */
  *#ofBlock(index: number, offset: number, length: number): Generator<string> {
    const { size } = this.opened.source;
    const { blockSize } = this.opened.metadata;
    const truncated = (what: string, at: number) =>
      `VHDX BAT entry ${index} ${what} offset ${at} points after end of file (${size}). ` +
      'Image has probably been truncated.';
    if (offset >= size) yield truncated('start', offset);
    else if (offset + length > size) yield truncated('end', offset + length - 1);
    const block = { offset, length: blockSize };
    const region = offset < MIB ? { offset: 0, length: MIB } : overlapping(this.opened.regions.all, block);
    if (region !== undefined)
      yield `VHDX region ${offset}-${offset + blockSize} overlaps with region ` +
        `${region.offset}-${region.offset + region.length}`;
    else if (this.#isTaken(offset, Math.min(length, size - offset)))
      yield `VHDX BAT entry ${index} offset ${offset} is in use by another block`;
  }

  /** Whether a block is there already; from now on there is one. */
  #isTaken(offset: number, length: number): boolean {
    let taken = false;
    for (let at = offset / MIB; at * MIB < offset + length; at++) {
      const bit = 1 << (at & 7);
      taken ||= (this.#taken[at >> 3]! & bit) !== 0;
      this.#taken[at >> 3]! |= bit;
    }
    return taken;
  }
}
