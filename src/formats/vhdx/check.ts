/** Checking a VHDX image: each block that is present must lie in the file, and in nothing else. */
import type { CheckableImage, CheckReport, CheckRequest } from '../../image/check.js';
import type { DriverContext } from '../../image/driver.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { VhdxImage, type VhdxParts } from './image.js';
import { BLOCK_STATE, MIB } from './layout.js';
import { openForWriting, openParts } from './open.js';
import { overlapping, type RegionTable } from './regions.js';

/** With a `store`, what the log holds is made in the file, which is the only repair there is. */
export async function openForCheck(
  source: ByteSource,
  store: ByteStore | null,
  { kernels }: DriverContext,
): Promise<CheckedVhdx> {
  const opened = store === null ? await openParts(source, kernels) : await openForWriting(store, kernels);
  return new CheckedVhdx(opened.parts, opened.regions, store !== null && opened.wasReplayed);
}

class CheckedVhdx extends VhdxImage implements CheckableImage {
  /** The log's changes count once. */
  #repaired: boolean;

  constructor(
    parts: VhdxParts,
    private readonly regions: RegionTable,
    repaired: boolean,
  ) {
    super(parts);
    this.#repaired = repaired;
  }

  async check({ events }: CheckRequest): Promise<CheckReport> {
    const corruptionsFixed = this.#repaired ? 1 : 0;
    this.#repaired = false;
    const findings = new Findings(this.parts, this.regions);
    let corruptions = 0;
    for await (const finding of findings.all()) {
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

  constructor(
    private readonly parts: VhdxParts,
    private readonly regions: RegionTable,
  ) {
    this.#taken = new Uint8Array(Math.ceil(parts.source.size / MIB / 8) + 1);
  }

  async *all(): AsyncGenerator<string> {
    const { bat, metadata } = this.parts;
    const { size, blockSize } = metadata;
    for (let block = 0; block * blockSize < size; block++) {
      const index = bat.indexOf(block);
      await bat.load(index);
      const { state, offset } = bat.entry(index);
      if (state !== BLOCK_STATE.fullyPresent && state !== BLOCK_STATE.partiallyPresent) continue;
      yield* this.#ofBlock(index, offset, Math.min(blockSize, size - block * blockSize));
    }
  }

  /** `length`: of the block as far as the disk reaches; old images end with it. */
  *#ofBlock(index: number, offset: number, length: number): Generator<string> {
    const { size } = this.parts.source;
    const { blockSize } = this.parts.metadata;
    const truncated = (what: string, at: number) =>
      `VHDX BAT entry ${index} ${what} offset ${at} points after end of file (${size}). ` +
      'Image has probably been truncated.';
    if (offset >= size) yield truncated('start', offset);
    else if (offset + length > size) yield truncated('end', offset + length - 1);
    const block = { offset, length: blockSize };
    const region = offset < MIB ? { offset: 0, length: MIB } : overlapping(this.regions.all, block);
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
