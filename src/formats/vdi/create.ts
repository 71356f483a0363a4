/** Making VDI images, laid out as `qemu-img create -f vdi` does it. */
import { roundUp } from '../../bytes.js';
import { BlockWriter } from '../../image/blocks/block-writer.js';
import { U32_LE, writeTable } from '../../image/blocks/entry-table.js';
import type { CreateRequest, DriverContext } from '../../image/driver.js';
import { freshIdentity, type Identity } from '../../image/identity.js';
import { type OptionTable, STORAGE_PREALLOCATION } from '../../image/options.js';
import { mixedEndian } from '../../image/uuid.js';
import type { ByteStore } from '../../storage/storage.js';
import { checkSize } from './header.js';
import {
  BLOCK,
  HEADER,
  HEADER_SIZE,
  NEVER_WRITTEN,
  SECTOR,
  SIGNATURE,
  TEXT,
  TYPE,
  type VdiHeader,
  VERSION_1_1,
} from './layout.js';
import { VdiMap } from './map.js';

export const createOptions: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size' },
  { name: 'static', type: 'bool', help: 'VDI static (pre-allocated) image', default: false },
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

/** Makes an empty image; it is not valid before the writer has finished. Throws `unsupported` for a disk too large. */
export async function createVdi(
  target: ByteStore,
  request: CreateRequest,
  context: DriverContext,
): Promise<BlockWriter> {
  const isStatic = request.options.static === true;
  const size = roundUp(request.size, SECTOR);
  checkSize(size);
  const header = await newHeader(size, isStatic, context.identity ?? freshIdentity());
  if (!target.readsZero) await target.write(0, new Uint8Array(HEADER.size));
  const padding = header.dataOffset - header.mapOffset - header.blocksInImage * U32_LE.size;
  await writeTable(target, header.mapOffset, header.blocksInImage, U32_LE, (index) =>
    isStatic ? index : NEVER_WRITTEN,
  );
  await target.write(header.dataOffset - padding, new Uint8Array(padding));
  const map = new VdiMap(header, target, target, true);
  if (isStatic && !target.readsZero) await target.zero(header.dataOffset, header.blocksInImage * BLOCK);
  return new BlockWriter({
    store: target,
    kernels: context.kernels,
    map,
    size,
    encoding: null,
    hasBacking: false,
    flush: request.flush,
    complete: () => complete(target, header),
  });
}

async function complete(store: ByteStore, header: VdiHeader): Promise<void> {
  const end = header.dataOffset + header.blocksAllocated * BLOCK;
  if (store.readsZero || store.size < end) await store.truncate(end);
  await writeHeader(store, header);
}

/** The sector that tells what the file is and how many blocks it holds. */
export async function writeHeader(store: ByteStore, header: VdiHeader): Promise<void> {
  const bytes = new Uint8Array(HEADER.size);
  HEADER.write(bytes, header);
  await store.write(0, bytes);
}

async function newHeader(diskSize: number, isStatic: boolean, identity: Identity): Promise<VdiHeader> {
  const blocks = Math.ceil(diskSize / BLOCK);
  const mapOffset = HEADER.size;
  return {
    ...HEADER.read(new Uint8Array(HEADER.size)),
    text: new TextEncoder().encode(TEXT),
    signature: SIGNATURE,
    version: VERSION_1_1,
    headerSize: HEADER_SIZE,
    imageType: isStatic ? TYPE.static : TYPE.dynamic,
    mapOffset,
    dataOffset: mapOffset + roundUp(blocks * U32_LE.size, SECTOR),
    sectorSize: SECTOR,
    diskSize,
    blockSize: BLOCK,
    blocksInImage: blocks,
    blocksAllocated: isStatic ? blocks : 0,
    imageUuid: mixedEndian(await identity.uuid('image')),
    contentUuid: mixedEndian(await identity.uuid('last snapshot')),
  };
}
