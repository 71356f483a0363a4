/**
 * Making an empty VHDX image, laid out as `qemu-img create` does it:
 *
 *     0      header section; the signature is withheld until the writer finishes
 *     1 MiB  log
 *     ...    block allocation table
 *     ...    metadata, 1 MiB
 *     ...    4 MiB that are left free, then the blocks
 */
import { roundUp, viewOf } from '../../bytes.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockWriter } from '../../image/blocks/block-writer.js';
import { U64_LE, writeTable } from '../../image/blocks/entry-table.js';
import type { CreateRequest, DriverContext } from '../../image/driver.js';
import { guidBytes } from '../../image/guid.js';
import { freshIdentity, type Identity } from '../../image/identity.js';
import { mixedEndian } from '../../image/uuid.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { ByteStore } from '../../storage/storage.js';
import { serializeHeader } from './headers.js';
import {
  BITMAP_STATE,
  BLOCK_STATE,
  FILE_FLAGS,
  FILE_IDENTIFIER,
  FILE_PARAMETERS,
  FILE_SIGNATURE,
  HEADER_OFFSETS,
  HEADER_SIGNATURE,
  METADATA,
  METADATA_ENTRY,
  METADATA_ENTRY_SIZE,
  METADATA_FLAGS,
  METADATA_SIGNATURE,
  METADATA_TABLE,
  METADATA_TABLE_SIZE,
  MIB,
  REGION_TABLE_OFFSETS,
  REGIONS,
} from './layout.js';
import { VhdxMap } from './map.js';
import { batEntries, chunkRatio, type Metadata } from './metadata.js';
import { checkedOptions } from './options.js';
import { type Region, serializeRegions } from './regions.js';

const SECTOR = 512;
/** Behind the metadata's 1 MiB, for more of them. */
const FREE_SPACE = 4 * MIB;
/** Who made the file. */
const CREATOR = 'diskloom';

/** Makes the empty image in `target`; it is not valid before the writer has finished. */
export async function createVhdx(
  target: ByteStore,
  request: CreateRequest,
  { kernels, identity = freshIdentity() }: DriverContext,
): Promise<BlockWriter> {
  const size = roundUp(request.size, SECTOR);
  const options = checkedOptions(size, request.options);
  const { blockSize, isFixed, logSize } = options;
  const metadata: Metadata = { size, blockSize, sectorSize: SECTOR, isDifferencing: false, isFixed, parent: null };
  const log = { offset: MIB, length: logSize };
  const bat = { offset: log.offset + logSize, length: Math.max(MIB, roundUp(batEntries(metadata) * U64_LE.size, MIB)) };
  const items = { offset: bat.offset + bat.length, length: MIB };
  const blocks = items.offset + items.length + FREE_SPACE;
  if (!target.readsZero) await target.zero(0, blocks);
  await writeHeaders(target, kernels, log, identity);
  await writeRegions(target, kernels, bat, items);
  await writeMetadata(target, items.offset, metadata, await newGuid(identity, 'disk'));
  const space = new AppendSpace(blocks + (isFixed ? roundUp(size, blockSize) : 0));
  if (isFixed && !target.readsZero) await target.zero(blocks, space.end - blocks);
  await setLength(target, space.end);
  if (isFixed || options.zeroBlocks) await writeBlocks(target, bat, metadata, isFixed ? blocks : null);
  return new BlockWriter({
    store: target,
    kernels,
    map: new VhdxMap(target, bat, metadata, { sink: target, space }),
    size,
    encoding: null,
    hasBacking: false,
    flush: request.flush,
    complete: async () => {
      await setLength(target, space.end);
      await target.write(0, identifier());
    },
  });
}

async function setLength(target: ByteStore, size: number): Promise<void> {
  if (target.size < size) await target.truncate(size);
}

/** The table of a new disk: blocks that say that they are zero or, from `first` on, blocks in a row. */
function writeBlocks(target: ByteStore, bat: Region, shape: Metadata, first: number | null): Promise<void> {
  const ratio = chunkRatio(shape);
  return writeTable(target, bat.offset, batEntries(shape), U64_LE, (index) => {
    if (index % (ratio + 1) === ratio) return BITMAP_STATE.notPresent;
    const block = index - Math.floor(index / (ratio + 1));
    return first === null ? BLOCK_STATE.zero : first + block * shape.blockSize + BLOCK_STATE.fullyPresent;
  });
}

/** What makes the file an image. */
function identifier(): Uint8Array {
  const bytes = new Uint8Array(FILE_IDENTIFIER.size);
  const creator = new Uint8Array(2 * CREATOR.length);
  for (let at = 0; at < CREATOR.length; at++) creator[2 * at] = CREATOR.charCodeAt(at);
  FILE_IDENTIFIER.write(bytes, { signature: FILE_SIGNATURE, creator });
  return bytes;
}

async function writeHeaders(target: ByteStore, kernels: Kernels, log: Region, identity: Identity): Promise<void> {
  const header = {
    signature: HEADER_SIGNATURE,
    fileWriteGuid: await newGuid(identity, 'file write'),
    dataWriteGuid: await newGuid(identity, 'data write'),
    logGuid: new Uint8Array(16),
    logVersion: 0,
    version: 1,
    logLength: log.length,
    logOffset: log.offset,
  };
  for (const [index, offset] of HEADER_OFFSETS.entries())
    await target.write(offset, serializeHeader(kernels, { ...header, sequenceNumber: BigInt(index + 1) }));
}

async function writeRegions(target: ByteStore, kernels: Kernels, bat: Region, metadata: Region): Promise<void> {
  const table = serializeRegions(kernels, [
    { guid: guidBytes(REGIONS.bat), ...bat },
    { guid: guidBytes(REGIONS.metadata), ...metadata },
  ]);
  for (const offset of REGION_TABLE_OFFSETS) await target.write(offset, table);
}

async function newGuid(identity: Identity, field: string): Promise<Uint8Array> {
  return mixedEndian(await identity.uuid(field));
}

async function writeMetadata(target: ByteStore, offset: number, metadata: Metadata, diskId: Uint8Array): Promise<void> {
  const { required, virtualDisk } = METADATA_FLAGS;
  const items: [id: string, flags: number, bytes: Uint8Array][] = [
    [METADATA.fileParameters, required, fileParameters(metadata)],
    [METADATA.diskSize, required | virtualDisk, number(8, metadata.size)],
    [METADATA.diskId, required | virtualDisk, diskId],
    [METADATA.logicalSector, required | virtualDisk, number(4, metadata.sectorSize)],
    [METADATA.physicalSector, required | virtualDisk, number(4, metadata.sectorSize)],
  ];
  const table = new Uint8Array(METADATA_TABLE_SIZE + MIB / 16);
  METADATA_TABLE.write(table, { signature: METADATA_SIGNATURE, entryCount: items.length });
  let at = METADATA_TABLE_SIZE;
  for (const [index, [id, flags, bytes]] of items.entries()) {
    const entry = { id: guidBytes(id), offset: at, length: bytes.length, flags };
    METADATA_ENTRY.write(table, entry, (index + 1) * METADATA_ENTRY_SIZE);
    table.set(bytes, at);
    at += bytes.length;
  }
  await target.write(offset, table.subarray(0, at));
}

function fileParameters({ blockSize, isFixed }: Metadata): Uint8Array {
  const bytes = new Uint8Array(FILE_PARAMETERS.size);
  FILE_PARAMETERS.write(bytes, { blockSize, flags: isFixed ? FILE_FLAGS.leaveAllocated : 0 });
  return bytes;
}

function number(length: 4 | 8, value: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  view.setUint32(0, value >>> 0, true);
  if (length === 8) view.setUint32(4, Math.floor(value / 2 ** 32), true);
  return bytes;
}
