/** Opening QED images: to read, and to change. */
import { roundDown } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockEditor } from '../../image/blocks/block-editor.js';
import { BlockImage } from '../../image/blocks/block-image.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { checkTables } from './check.js';
import { enterSize, readBacking, readHeader, writeBacking, writeHeader } from './header.js';
import { FEATURE, type QedHeader } from './layout.js';
import { l1EntriesInUse, qedMap } from './map.js';
import { partsOf } from './parts.js';

/** Throws `corrupt` or `unsupported`. */
export async function openQed(source: ByteSource): Promise<BlockImage> {
  const header = await readHeader(source);
  const backing = await readBacking(source, header);
  const map = qedMap(header, source, null, spaceOf(source, header));
  await map.checkTables();
  return new BlockImage({ ...partsOf(header, backing), source, map });
}

/**
 * Opens an image for writing; one that was not closed is repaired first, as QEMU does it. Throws `corrupt` if that
 * does not help.
 */
export async function editQed(store: ByteStore, request: EditRequest, context: DriverContext): Promise<BlockEditor> {
  const header = await readHeader(store);
  const backing = await readBacking(store, header);
  if ((header.features & FEATURE.needCheck) !== 0n) {
    const { corruptions } = await checkTables(store, store, header);
    if (corruptions > 0) throw corrupt('Image corrupted');
  }
  const space = spaceOf(store, header);
  const map = qedMap(header, store, store, space);
  await map.checkTables();
  // With a backing file data is flushed before the tables that refer to it; without one, a check mends what is lost.
  const marks = backing === null;
  return new BlockEditor({
    ...partsOf(header, backing),
    source: store,
    map,
    kernels: context.kernels,
    flush: request.flush,
    hidesBacking: request.hidesBacking === true,
    ...(request.backing === undefined ? {} : { backingImage: request.backing }),
    setBacking: (reference) => writeBacking(store, header, reference),
    resize: async (size, { preallocation, hidesBacking }) => {
      if (hidesBacking) throw new ImageError('unsupported', 'Block driver does not support requested flags');
      await enterSize(store, header, size, preallocation);
      map.rules.l1.count = l1EntriesInUse(header);
    },
    prepare: () => mark(store, header, marks ? FEATURE.needCheck : 0n),
    async finished() {
      if (store.size < space.end) await store.truncate(space.end);
      await mark(store, header, 0n);
    },
  });
}

function spaceOf(source: ByteSource, { clusterSize }: QedHeader): AppendSpace {
  return new AppendSpace(roundDown(source.size, clusterSize));
}

/** Sets or clears the mark that the image has to be checked, and clears the features that nobody here knows. */
async function mark(store: ByteStore, header: QedHeader, needCheck: bigint): Promise<void> {
  const features = (header.features & ~FEATURE.needCheck) | needCheck;
  if (features === header.features && header.autoclearFeatures === 0n) return;
  header.features = features;
  header.autoclearFeatures = 0n;
  await writeHeader(store, header);
}
