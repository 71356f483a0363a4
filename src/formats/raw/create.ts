/** Making raw images: nothing but a length. */
import { ImageError } from '../../errors.js';
import type { CreateRequest } from '../../image/driver.js';
import { type OptionTable, STORAGE_PREALLOCATION, storagePreallocation } from '../../image/options.js';
import { asDisk } from '../../image/plain/plain-image.js';
import { PlainWriter } from '../../image/plain/plain-writer.js';
import { setLength } from '../../storage/length.js';
import type { ByteStore } from '../../storage/storage.js';

export const rawCreateOptions: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size' },
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

/**
 * Gives the storage its size, whole sectors; a device that is larger stays so. Throws `unsupported` for a kind of
 * preallocation that the storage does not have, `invalid` for one that does not exist.
 */
export async function createRaw(store: ByteStore, request: CreateRequest): Promise<PlainWriter> {
  const size = asDisk(request.size);
  const { nocow, extent_size_hint: extentSize, preallocation } = request.options;
  const mode = storagePreallocation(preallocation ?? 'off');
  store.hint?.({ nocow: nocow === true, extentSize: extentSize === undefined ? undefined : Number(extentSize) });
  if (mode === 'off') await setLength(store, size);
  else if (store.preallocate === undefined)
    throw new ImageError('unsupported', `Unsupported preallocation mode '${mode}'`, { file: store.name });
  else await store.preallocate(size, mode);
  return new PlainWriter(store, size, request.flush);
}
