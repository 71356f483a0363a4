/** Making Parallels images, laid out as `qemu-img create -f parallels` does it. */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockWriter } from '../../image/blocks/block-writer.js';
import type { CreateRequest, DriverContext } from '../../image/driver.js';
import type { OptionTable } from '../../image/options.js';
import type { ByteStore } from '../../storage/storage.js';
import { batEnd, writeHeader } from './header.js';
import { DEFAULT_CLUSTER_SIZE, HEADER, type HeaderFields, MAGIC, SECTOR, VERSION } from './layout.js';
import { ParallelsMap } from './map.js';

export const createOptions: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size' },
  { name: 'cluster_size', type: 'size', help: 'Parallels image cluster size', default: DEFAULT_CLUSTER_SIZE },
];

/** The geometry is of no use but to fill its fields. */
const HEADS = 16;
const SECTORS_PER_CYLINDER = 32;

/** Makes an empty image; it is not valid before the writer has finished. Throws `invalid`. */
export async function createParallels(
  target: ByteStore,
  request: CreateRequest,
  { kernels }: DriverContext,
): Promise<BlockWriter> {
  const size = roundUp(request.size, SECTOR);
  const clusterSize = clusterSizeFor(request, size);
  const header = newHeader(size, clusterSize);
  const space = new AppendSpace(header.dataOffset * SECTOR);
  if (target.readsZero) await target.truncate(space.end);
  else await target.zero(0, space.end);
  const shape = { batEntries: header.batEntries, clusterSize, entryUnit: clusterSize };
  return new BlockWriter({
    store: target,
    kernels,
    map: new ParallelsMap(target, shape, { sink: target, space, grown: () => {} }),
    size,
    encoding: null,
    hasBacking: false,
    flush: request.flush,
    async complete() {
      if (target.readsZero || target.size < space.end) await target.truncate(space.end);
      await writeHeader(target, header);
    },
  });
}

function clusterSizeFor({ options }: CreateRequest, size: number): number {
  const clusterSize = roundUp(Number(options.cluster_size ?? DEFAULT_CLUSTER_SIZE), SECTOR);
  if (clusterSize >= 2 ** 31) throw new ImageError('invalid', 'Cluster size is too large');
  if (size >= 2 ** 32 * clusterSize) throw new ImageError('invalid', 'Image size is too large for this cluster size');
  return clusterSize;
}

function newHeader(size: number, clusterSize: number): HeaderFields {
  const sectors = size / SECTOR;
  const batEntries = Math.ceil(size / clusterSize);
  return {
    ...HEADER.read(new Uint8Array(HEADER.size)),
    magic: new TextEncoder().encode(MAGIC),
    version: VERSION,
    heads: HEADS,
    cylinders: Math.floor(sectors / HEADS / SECTORS_PER_CYLINDER) % 2 ** 32,
    tracks: clusterSize / SECTOR,
    batEntries,
    sectors: BigInt(sectors),
    dataOffset: roundUp(batEnd({ batEntries }), clusterSize) / SECTOR,
  };
}
