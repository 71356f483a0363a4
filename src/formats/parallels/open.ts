/** Opening Parallels images: to read, and to change. */
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockEditor } from '../../image/blocks/block-editor.js';
import { BlockImage } from '../../image/blocks/block-image.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import { setLength } from '../../storage/length.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { checkTable } from './check.js';
import { type ParallelsHeader, readHeader, writeHeader } from './header.js';
import { IN_USE } from './layout.js';
import { batOf, endOfData, ParallelsMap } from './map.js';
import { partsOf } from './parts.js';
import { preallocating, reserve } from './preallocation.js';

/** Throws `corrupt`, and `invalid` for a wrong option. */
export async function openParallels(source: ByteSource, { runtimeOptions = {} }: DriverContext): Promise<BlockImage> {
  preallocating(runtimeOptions);
  const header = await readHeader(source);
  return new BlockImage({ ...partsOf(header), source, map: new ParallelsMap(source, header, null) });
}

/** Opens an image for writing; one that is damaged or was not closed is repaired first, as QEMU does it. */
export async function editParallels(
  store: ByteStore,
  { flush }: EditRequest,
  { kernels, runtimeOptions = {}, onWarning = () => {} }: DriverContext,
): Promise<BlockEditor> {
  const growth = preallocating(runtimeOptions);
  await checkTable(store, store, { repair: 'all', flush, events: { onFinding: onWarning, onTrouble: onWarning } });
  const header = await readHeader(store);
  const space = new AppendSpace(await endOfData(batOf(store, null, header), header));
  const grown = () => (growth === null ? undefined : reserve(store, space, growth));
  const map = new ParallelsMap(store, header, { sink: store, space, grown });
  return new BlockEditor({
    ...partsOf(header),
    source: store,
    map,
    kernels,
    flush,
    prepare: () => mark(store, header, IN_USE),
    async finished() {
      if (store.size !== space.end) await setLength(store, space.end);
      await mark(store, header, 0);
    },
  });
}

async function mark(store: ByteStore, header: ParallelsHeader, inUse: number): Promise<void> {
  if (header.inUse === inUse) return;
  header.inUse = inUse;
  await writeHeader(store, header);
}
