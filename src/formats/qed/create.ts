/** Making QED images: header, backing file's name, L1 table; everything else is appended. */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockWriter } from '../../image/blocks/block-writer.js';
import type { CreateRequest, DriverContext } from '../../image/driver.js';
import { type OptionTable, STORAGE_PREALLOCATION } from '../../image/options.js';
import type { ByteStore } from '../../storage/storage.js';
import { isClusterSize, isDiskSize, isTableSize, writeHeader } from './header.js';
import { FEATURE, HEADER, LIMITS, largestDisk, MAGIC, type QedHeader, SECTOR } from './layout.js';
import { qedMap } from './map.js';

export const createOptions: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size' },
  { name: 'backing_file', type: 'string', help: 'File name of a base image' },
  { name: 'backing_fmt', type: 'string', help: 'Image format of the base image' },
  { name: 'cluster_size', type: 'size', help: 'Cluster size (in bytes)', default: LIMITS.clusterSize.default },
  { name: 'table_size', type: 'size', help: 'L1/L2 table size (in clusters)' },
  { name: 'nocow', type: 'bool', help: 'Turn off copy-on-write (valid only on btrfs)', storage: true },
  {
    name: 'preallocation',
    type: 'string',
    help: 'Preallocation mode (allowed values: off, falloc, full)',
    values: STORAGE_PREALLOCATION,
    storage: true,
  },
  { name: 'extent_size_hint', type: 'size', help: 'Extent size hint for the image file, 0 to disable', storage: true },
];

/** Makes an empty image; it is not valid before the writer has finished. Throws `invalid`. */
export async function createQed(
  target: ByteStore,
  request: CreateRequest,
  context: DriverContext,
): Promise<BlockWriter> {
  const header = newHeader(request);
  const name = new TextEncoder().encode(request.backing?.name ?? '');
  if (name.length > LIMITS.backingName) throw new ImageError('invalid', 'The name of the backing file is too long');
  const { clusterSize, tableSize } = header;
  const space = new AppendSpace((1 + tableSize) * clusterSize);
  if (target.readsZero) await target.truncate(space.end);
  else await target.zero(0, space.end);
  if (name.length > 0) {
    header.backingNameOffset = HEADER.size;
    header.backingNameSize = name.length;
    await target.write(HEADER.size, name);
  }
  return new BlockWriter({
    store: target,
    kernels: context.kernels,
    map: qedMap(header, target, target, space),
    size: header.imageSize,
    encoding: null,
    hasBacking: request.backing !== undefined,
    flush: request.flush,
    async complete() {
      if (target.readsZero || target.size < space.end) await target.truncate(space.end);
      await writeHeader(target, header);
    },
  });
}

/** Checks the options. Throws `invalid`, worded as `qemu-img` does. */
function newHeader({ size, options, backing }: CreateRequest): QedHeader {
  const clusterSize = Number(options.cluster_size ?? LIMITS.clusterSize.default);
  const tableSize = Number(options.table_size ?? LIMITS.tableSize.default);
  const imageSize = roundUp(size, SECTOR);
  if (!isClusterSize(clusterSize)) throw outOfRange('cluster', LIMITS.clusterSize);
  if (!isTableSize(tableSize)) throw outOfRange('table', LIMITS.tableSize);
  // QEMU makes such an image, but does not open it: it takes the table's end for its overflow.
  if (tableSize === 1) throw new ImageError('unsupported', 'QEMU does not open QED images with a table size of 1');
  if (!isDiskSize(imageSize, clusterSize, tableSize)) {
    const most = largestDisk(clusterSize, tableSize);
    const rule = `must be a non-zero multiple of cluster size and less than ${most} bytes`;
    throw new ImageError('invalid', `QED image size ${rule}`);
  }
  let features = 0n;
  if (backing !== undefined) features |= FEATURE.backingFile;
  if (backing?.format === 'raw') features |= FEATURE.backingIsRaw;
  return {
    magic: MAGIC,
    clusterSize,
    tableSize,
    headerSize: 1,
    features,
    compatFeatures: 0n,
    autoclearFeatures: 0n,
    l1TableOffset: clusterSize,
    imageSize,
    backingNameOffset: 0,
    backingNameSize: 0,
  };
}

function outOfRange(what: string, { least, most }: { least: number; most: number }): ImageError {
  return new ImageError('invalid', `QED ${what} size must be within range [${least}, ${most}] and power of 2`);
}
