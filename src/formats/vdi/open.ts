/** Opening VDI images: to read, to change, to check. */
import { BlockEditor } from '../../image/blocks/block-editor.js';
import { BlockImage, type BlockImageParts } from '../../image/blocks/block-image.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { writeHeader } from './create.js';
import { readHeader } from './header.js';
import { BLOCK, TYPE, type VdiHeader } from './layout.js';
import { VdiMap } from './map.js';

/** Throws `corrupt` or `unsupported`. */
export async function openVdi(source: ByteSource): Promise<BlockImage> {
  const header = await readHeader(source);
  return new BlockImage(partsOf(source, header, new VdiMap(header, source, null)));
}

/** Opens an image for writing. */
export async function editVdi(store: ByteStore, request: EditRequest, context: DriverContext): Promise<BlockEditor> {
  const header = await readHeader(store);
  const map = new VdiMap(header, store, store);
  return new BlockEditor({
    ...partsOf(store, header, map),
    source: store,
    map,
    kernels: context.kernels,
    flush: request.flush,
    afterCommit: () => writeHeader(store, header),
  });
}

/** What an image says of itself. */
export function partsOf(source: ByteSource, header: VdiHeader, map: VdiMap): BlockImageParts {
  return {
    format: 'vdi',
    source,
    map,
    size: header.diskSize,
    details: () => ({ clusterSize: BLOCK }),
    preallocated: header.imageType === TYPE.static,
  };
}
