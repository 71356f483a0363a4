/** Opening VHD images: to read, and to change. */
import { ImageError } from '../../errors.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockEditor } from '../../image/blocks/block-editor.js';
import { BlockImage, type BlockImageParts } from '../../image/blocks/block-image.js';
import { SectorImage } from '../../image/blocks/sector-image.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import { guidText } from '../../image/guid.js';
import type { EditableImage, Image } from '../../image/image.js';
import type { OptionTable } from '../../image/options.js';
import { PlainImage, type Region } from '../../image/plain/plain-image.js';
import { PlainEditor } from '../../image/plain/plain-writer.js';
import { mixedEndian } from '../../image/uuid.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { diskSize, type FoundFooter, readFooter } from './footer.js';
import { type DynamicHeader, readHeader } from './header.js';
import { type Footer, TYPE } from './layout.js';
import { VpcMap } from './map.js';
import { parentIdsOf, readParent } from './parent.js';

export const runtimeOptions: OptionTable = [
  {
    name: 'force_size_calc',
    type: 'text',
    help: 'Where the size of the disk is taken from: chs, the geometry, or current_size',
  },
];

/** Throws `corrupt` or `unsupported`, and `invalid` for a wrong option. */
export async function openVpc(source: ByteSource, { runtimeOptions = {} }: DriverContext): Promise<Image> {
  const found = await readFooter(source);
  const size = diskSize(found.footer, runtimeOptions);
  if (found.isFixed) return new FixedVpc(source, fixedRegion(found, size), found.footer);
  const header = await readHeader(source, found.footer.dataOffset, size);
  const isDifferencing = found.footer.type === TYPE.differencing;
  const map = new VpcMap(source, header, isDifferencing, null);
  const contentId = guidText(mixedEndian(found.footer.uuid));
  if (!isDifferencing)
    return new BlockImage({ ...partsOf(header, size), source, map, lineage: { contentId, parentIds: [] } });
  const lineage = { contentId, parentIds: parentIdsOf(header) };
  return new SectorImage({ ...partsOf(header, size), source, map, lineage, backing: await readParent(source, header) });
}

/** A fixed image, which may be somebody's parent. */
class FixedVpc extends PlainImage {
  readonly contentId: string;

  constructor(source: ByteSource, region: Region, { uuid }: Footer) {
    super('vpc', source, region, true);
    this.contentId = guidText(mixedEndian(uuid));
  }
}

/** Opens an image for writing. Throws `unsupported` for a differencing one. */
export async function editVpc(
  store: ByteStore,
  { flush }: EditRequest,
  { kernels, runtimeOptions = {} }: DriverContext,
): Promise<EditableImage> {
  const found = await readFooter(store);
  const size = diskSize(found.footer, runtimeOptions);
  if (found.isFixed) {
    if (size > found.offset)
      throw new ImageError('unsupported', 'The footer lies within the disk; the image is cut off');
    return new PlainEditor('vpc', store, fixedRegion(found, size), flush, { preallocated: true });
  }
  if (found.footer.type === TYPE.differencing)
    throw new ImageError('unsupported', 'Differencing VHD images cannot be written to');
  const header = await readHeader(store, found.footer.dataOffset, size);
  const space = new AppendSpace(await new VpcMap(store, header, false, null).end());
  const end = space.end;
  const map = new VpcMap(store, header, false, {
    sink: store,
    space,
    // The new place of the footer first: a table that leads beyond the end of the file would make it unreadable.
    beforeTable: async () => {
      if (space.end > end) await store.write(space.end, found.bytes);
    },
  });
  return new BlockEditor({ ...partsOf(header, size), source: store, map, kernels, flush });
}

function fixedRegion({ offset }: FoundFooter, size: number): Region {
  return { offset: 0, length: size, stored: offset };
}

function partsOf({ blockSize }: DynamicHeader, size: number): Pick<BlockImageParts, 'format' | 'size' | 'details'> {
  return { format: 'vpc', size, details: () => ({ clusterSize: blockSize }) };
}
