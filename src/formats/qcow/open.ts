/** Opening qcow images: to read, and to change. */
import { roundUp } from '../../bytes.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockEditor } from '../../image/blocks/block-editor.js';
import { BlockImage, type BlockImageParts } from '../../image/blocks/block-image.js';
import type { TwoLevelMap } from '../../image/blocks/two-level-map.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import type { BackingReference } from '../../image/image.js';
import { PackedClusters } from '../../image/packed.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { openEncryption } from './encryption.js';
import { l1Entries, readBacking, readHeader } from './header.js';
import { CRYPT, ENTRY_SIZE, type QcowHeader, SECTOR } from './layout.js';
import { qcowMap } from './map.js';

/** Throws `corrupt` or `unsupported`. */
export async function openQcow(source: ByteSource, context: DriverContext): Promise<BlockImage> {
  const header = await readHeader(source);
  const backing = await readBacking(source, header);
  const map = qcowMap(header, source, null, new AppendSpace(roundUp(source.size, SECTOR)));
  await map.checkTables();
  const encryption = await openEncryption(header, context);
  return new BlockImage({ ...partsOf(source, map, header, backing, context.kernels), ...encryption });
}

/** Opens an image for writing. */
export async function editQcow(store: ByteStore, request: EditRequest, context: DriverContext): Promise<BlockEditor> {
  const header = await readHeader(store);
  const { cipher, unreadable } = await openEncryption(header, context);
  if (unreadable !== null) throw unreadable;
  const backing = await readBacking(store, header);
  const space = new AppendSpace(roundUp(store.size, SECTOR));
  const map = qcowMap(header, store, store, space);
  await map.checkTables();
  return new BlockEditor({
    ...partsOf(store, map, header, backing, context.kernels),
    cipher,
    source: store,
    map,
    kernels: context.kernels,
    flush: request.flush,
    ...(request.backing === undefined ? {} : { backingImage: request.backing }),
    empty: () => dropContent(store, header, request.flush),
    async finished() {
      if (store.size < space.end) await store.truncate(space.end);
    },
  });
}

/** Clears the L1 table and cuts off what it led to. */
async function dropContent(store: ByteStore, header: QcowHeader, flush: boolean): Promise<void> {
  const length = l1Entries(header) * ENTRY_SIZE;
  await store.zero(header.l1TableOffset, length);
  if (flush) await store.flush();
  await store.truncate(header.l1TableOffset + length);
  if (flush) await store.flush();
}

function partsOf(
  source: ByteSource,
  map: TwoLevelMap,
  header: QcowHeader,
  backing: BackingReference | null,
  kernels: Kernels,
): BlockImageParts {
  const isEncrypted = header.cryptMethod !== CRYPT.none;
  return {
    format: 'qcow',
    source,
    map,
    size: header.size,
    backing,
    details: () => ({ clusterSize: map.blockSize, encrypted: isEncrypted }),
    packed: new PackedClusters(source, kernels, 'deflate', map.blockSize),
  };
}
