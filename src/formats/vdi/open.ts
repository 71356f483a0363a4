/** Opening VDI images: to read, to change, to check. */
import { ImageError } from '../../errors.js';
import { BlockEditor } from '../../image/blocks/block-editor.js';
import { BlockImage, type BlockImageParts } from '../../image/blocks/block-image.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import type { ImageDetails } from '../../image/image.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { writeHeader } from './create.js';
import { mapFailure, readHeader } from './header.js';
import { BLOCK, TYPE, type VdiHeader } from './layout.js';
import { VdiMap } from './map.js';
import { findParent, uuidText } from './parent.js';

/** Throws `corrupt` or `unsupported`. */
export async function openVdi(source: ByteSource, context: DriverContext): Promise<BlockImage> {
  const header = await readHeader(source);
  const parts = {
    ...partsOf(source, header, new VdiMap(header, source, null)),
    unreadable: mapFailure(header, source),
  };
  if (header.imageType !== TYPE.differencing || parts.unreadable !== null) return new BlockImage(parts);
  return new BlockImage({ ...parts, ...(await findParent(source.name, header, context)) });
}

/** Opens an image for writing. Throws `unsupported` for a differencing one. */
export async function editVdi(store: ByteStore, request: EditRequest, context: DriverContext): Promise<BlockEditor> {
  const header = await readHeader(store);
  if (header.imageType === TYPE.differencing)
    throw new ImageError('unsupported', 'Differencing VDI images cannot be written to');
  const failure = mapFailure(header, store);
  if (failure !== null) throw failure;
  const map = new VdiMap(header, store, store);
  return new BlockEditor({
    ...partsOf(store, header, map),
    source: store,
    map,
    kernels: context.kernels,
    flush: request.flush,
    // A count of blocks that is too low would have QEMU give out used ones again.
    beforeTables: () => writeHeader(store, header),
  });
}

/** What an image says of itself. */
export function partsOf(source: ByteSource, header: VdiHeader, map: VdiMap): BlockImageParts {
  return {
    format: 'vdi',
    source,
    map,
    size: header.diskSize,
    details: () => ({ clusterSize: BLOCK, ...lineageOf(header) }),
    preallocated: header.imageType === TYPE.static,
  };
}

/** Whom a differencing image descends from; nothing of others. */
function lineageOf({ imageType, imageUuid, parentImageUuid }: VdiHeader): ImageDetails {
  if (imageType !== TYPE.differencing) return {};
  const data = { uuid: uuidText(imageUuid), 'parent-uuid': uuidText(parentImageUuid) };
  return { formatSpecific: { type: 'vdi', data } };
}
