/**
 * A raw image: the disk, byte for byte, without any header.
 *
 * Disks consist of 512-byte sectors, so a file of 700 bytes is a disk of 1024, whose last 324 bytes read as zeros.
 */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { DriverContext } from '../../image/driver.js';
import type { Extent, Image, ImageDetails } from '../../image/image.js';
import type { OptionTable, OptionValues } from '../../image/options.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSource, StorageExtent } from '../../storage/storage.js';

export const SECTOR = 512;

export const rawRuntimeOptions: OptionTable = [
  { name: 'offset', type: 'size', help: 'offset in the disk where the image starts' },
  { name: 'size', type: 'size', help: 'virtual disk size' },
];

/** The part of a storage that is the disk; bytes. */
export interface Region {
  offset: number;
  length: number;
}

/** Checks the runtime options against the storage. Throws `invalid`. */
export function diskRegion(source: ByteSource, options: OptionValues = {}): Region {
  const offset = Number(options.offset ?? 0);
  if (offset > source.size)
    throw invalid(`Offset (${offset}) cannot be greater than size of the containing file (${asDisk(source.size)})`);
  if (options.size === undefined) return { offset, length: source.size - offset };
  const length = Number(options.size);
  if (asDisk(source.size) - offset < length)
    throw invalid(
      `The sum of offset (${offset}) and size (${length}) has to be smaller or equal to the  actual size of the ` +
        `containing file (${asDisk(source.size)})`,
    );
  if (length % SECTOR !== 0) throw invalid(`Specified size is not multiple of ${SECTOR}`);
  return { offset, length };
}

/** What a storage of so many bytes counts for: whole sectors. */
function asDisk(size: number): number {
  return roundUp(size, SECTOR);
}

function invalid(message: string): ImageError {
  return new ImageError('invalid', message);
}

export class RawImage implements Image {
  readonly format = 'raw';
  readonly size: number;
  readonly clusterSize = 1;
  readonly backing = null;
  readonly snapshots = [];
  readonly unreadable = null;

  constructor(
    protected readonly source: ByteSource,
    protected readonly region: Region,
  ) {
    this.size = asDisk(region.length);
  }

  static async open(source: ByteSource, context: DriverContext): Promise<RawImage> {
    return new RawImage(source, diskRegion(source, context.runtimeOptions));
  }

  extents(start: number, length: number): MaybePromise<Extent[]> {
    const stored = Math.min(start + length, this.end) - start;
    if (stored <= 0) return [this.#extent(start, length, 'zero')];
    const asked = this.source.extents?.(this.region.offset + start, stored);
    if (isPending(asked)) return asked.then((found) => this.#describe(start, length, found));
    return this.#describe(start, length, asked ?? [{ start: this.region.offset + start, length: stored, hole: false }]);
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    const stored = Math.max(0, Math.min(into.length, this.end - offset));
    if (stored < into.length) into.fill(0, stored);
    if (stored > 0) return this.source.read(this.region.offset + offset, into.subarray(0, stored));
  }

  details(): ImageDetails {
    return {};
  }

  close(): Promise<void> {
    return this.source.close();
  }

  /** End of what is stored, counted from the start of the disk; up to `size` follow zeros. */
  protected get end(): number {
    return Math.min(this.size, this.source.size - this.region.offset);
  }

  #describe(start: number, length: number, found: StorageExtent[]): Extent[] {
    const extents: Extent[] = [];
    for (const { start: host, length: count, hole } of found) {
      this.#append(extents, this.#extent(host - this.region.offset, count, hole ? 'zero' : 'data'));
    }
    const last = extents[extents.length - 1];
    const reached = last === undefined ? start : last.start + last.length;
    if (reached >= this.end && reached < start + length)
      this.#append(extents, this.#extent(reached, start + length - reached, 'zero'));
    return extents;
  }

  #append(extents: Extent[], next: Extent): void {
    const last = extents[extents.length - 1];
    if (last !== undefined && last.kind === next.kind) last.length += next.length;
    else extents.push(next);
  }

  #extent(start: number, length: number, kind: Extent['kind']): Extent {
    return { start, length, kind, compressed: false, hostOffset: this.region.offset + start, depth: 0 };
  }
}
