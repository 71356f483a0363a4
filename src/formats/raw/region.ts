/** Which part of a storage is the disk: all of it, or what the options of opening say. */
import { ImageError } from '../../errors.js';
import type { GrowthPreallocation } from '../../image/image.js';
import type { OptionTable, OptionValues } from '../../image/options.js';
import { asDisk, type Region, SECTOR } from '../../image/plain/plain-image.js';
import { changeLength } from '../../storage/length.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';

export const rawRuntimeOptions: OptionTable = [
  { name: 'offset', type: 'size', help: 'offset in the disk where the image starts' },
  { name: 'size', type: 'size', help: 'virtual disk size' },
];

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

/** Changes the storage so that the disk has `size` bytes. Throws `unsupported` where the options say how many it has. */
export async function resizeRegion(
  store: ByteStore,
  size: number,
  preallocation: GrowthPreallocation,
  options: OptionValues = {},
): Promise<Region> {
  if (options.size !== undefined) throw new ImageError('unsupported', 'Cannot resize fixed-size raw disks');
  const offset = Number(options.offset ?? 0);
  await changeLength(store, offset + size, preallocation);
  return { offset, length: store.size - offset };
}

function invalid(message: string): ImageError {
  return new ImageError('invalid', message);
}
