/** Checking VMDK images, as QEMU does: each grain begins within its file. There is no repair. */
import { ImageError } from '../../errors.js';
import type { CheckableImage, CheckReport, CheckRequest } from '../../image/check.js';
import type { DriverContext } from '../../image/driver.js';
import type { ByteSource } from '../../storage/storage.js';
import { VmdkImage } from './image.js';
import { SECTOR } from './layout.js';
import { isBeyondEnd } from './map.js';
import { openParts } from './open.js';

/** Throws what opening throws. */
export async function openForCheck(
  source: ByteSource,
  _store: unknown,
  context: DriverContext,
): Promise<CheckableImage> {
  return new CheckedVmdk(await openParts(source, context));
}

class CheckedVmdk extends VmdkImage implements CheckableImage {
  /** Ends at the first damage, as QEMU's check does. */
  async check({ repair, events }: CheckRequest): Promise<CheckReport> {
    if (repair !== 'none') throw new ImageError('unsupported', 'Operation not supported');
    for (let at = 0; at < this.size; ) {
      try {
        at = await this.#lookFrom(at, this.size - at);
      } catch (error) {
        if (!(error instanceof ImageError) || error.code !== 'corrupt') throw error;
        const isBeyond = isBeyondEnd(error);
        const sector = (await this.#firstDamaged(at)) / SECTOR;
        const finding = isBeyond
          ? `cluster offset for sector ${sector} points after EOF`
          : `could not get cluster_offset for sector ${sector}`;
        events.onFinding(`ERROR: ${finding}`);
        throw new ImageError('corrupt', isBeyond ? 'Invalid argument' : 'Operation not permitted', { cause: error });
      }
    }
    return NOTHING_FOUND;
  }

  /** Looks at some grains and returns where those begin that follow. Throws `corrupt`. */
  async #lookFrom(offset: number, length: number): Promise<number> {
    const last = (await this.extents(offset, length)).at(-1)!;
    return last.start + last.length;
  }

  /** Where the first grain begins that cannot be right, somewhere behind `offset`. */
  async #firstDamaged(offset: number): Promise<number> {
    let at = offset;
    try {
      while (at < this.size) at = await this.#lookFrom(at, Math.min(this.clusterSize, this.size - at));
    } catch {
      // here it is
    }
    return at;
  }
}

const NOTHING_FOUND: CheckReport = {
  corruptions: 0,
  leaks: 0,
  checkErrors: 0,
  corruptionsFixed: 0,
  leaksFixed: 0,
  clusters: { total: 0, allocated: 0, fragmented: 0, compressed: 0 },
  imageEndOffset: 0,
};
