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
import type { CreateRequest, DriverContext } from '../../image/driver.js';
import { guidBytes, randomGuid } from '../../image/guid.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { ByteStore } from '../../storage/storage.js';
import { Bat } from './bat.js';
import { BlockSpace } from './block-space.js';
import { serializeHeader } from './headers.js';
import {
  BAT_ENTRY_SIZE,
  BLOCK_STATE,
  FILE_FLAGS,
  FILE_PARAMETERS,
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
import { batLength, type Metadata } from './metadata.js';
import { checkedOptions, type VhdxOptions } from './options.js';
import { type Region, serializeRegions } from './regions.js';
import { VhdxWriter } from './writer.js';

const SECTOR = 512;
/** Behind the metadata's 1 MiB, for more of them. */
const FREE_SPACE = 4 * MIB;
/** Bytes of table that are made at once. */
const TABLE_PIECE = MIB;

/** Makes the empty image in `target`; it is not valid before the writer has finished. */
export async function createVhdx(
  target: ByteStore,
  request: CreateRequest,
  { kernels }: DriverContext,
): Promise<VhdxWriter> {
  const size = roundUp(request.size, SECTOR);
  const options = checkedOptions(size, request.options);
  const { blockSize, isFixed, logSize } = options;
  const metadata: Metadata = { size, blockSize, sectorSize: SECTOR, isDifferencing: false, isFixed, parent: null };
  const log = { offset: MIB, length: logSize };
  const bat = { offset: log.offset + logSize, length: Math.max(MIB, roundUp(batLength(metadata), MIB)) };
  const items = { offset: bat.offset + bat.length, length: MIB };
  const blocks = items.offset + items.length + FREE_SPACE;
  if (!target.readsZero) await target.zero(0, blocks);
  await writeHeaders(target, kernels, log);
  await writeRegions(target, kernels, bat, items);
  await writeMetadata(target, items.offset, metadata);
  await growTo(target, blocks + (isFixed ? roundUp(size, blockSize) : 0));
  await writeTable(target, bat, metadata, options, blocks);
  const table = new Bat(target, target, bat, metadata);
  const space = new BlockSpace(target, isFixed ? target.size : blocks);
  return new VhdxWriter({ store: target, metadata, bat: table, space }, request.flush);
}

async function growTo(target: ByteStore, size: number): Promise<void> {
  if (target.size < size) await target.truncate(size);
}

async function writeHeaders(target: ByteStore, kernels: Kernels, log: Region): Promise<void> {
  const header = {
    signature: HEADER_SIGNATURE,
    fileWriteGuid: randomGuid(),
    dataWriteGuid: randomGuid(),
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

async function writeMetadata(target: ByteStore, offset: number, metadata: Metadata): Promise<void> {
  const { required, virtualDisk } = METADATA_FLAGS;
  const items: [id: string, flags: number, bytes: Uint8Array][] = [
    [METADATA.fileParameters, required, fileParameters(metadata)],
    [METADATA.diskSize, required | virtualDisk, number(8, metadata.size)],
    [METADATA.diskId, required | virtualDisk, randomGuid()],
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

/** The table of a new disk: blocks that say that they are zero, or all blocks of a fixed one in a row. */
async function writeTable(
  target: ByteStore,
  { offset, length }: Region,
  shape: Metadata,
  { isFixed, zeroBlocks }: VhdxOptions,
  blocks: number,
): Promise<void> {
  if (!isFixed && !zeroBlocks) return;
  const { size, blockSize } = shape;
  const count = Math.ceil(size / blockSize);
  const perPiece = TABLE_PIECE / BAT_ENTRY_SIZE;
  const ratio = (2 ** 23 * shape.sectorSize) / blockSize;
  for (let first = 0; first * BAT_ENTRY_SIZE < Math.min(length, batLength(shape)); first += perPiece) {
    const piece = new Uint8Array(TABLE_PIECE);
    const view = viewOf(piece);
    for (let entry = first; entry < first + perPiece; entry++) {
      const block = entry - Math.floor(entry / (ratio + 1));
      if (block >= count || entry % (ratio + 1) === ratio) continue;
      const at = (entry - first) * BAT_ENTRY_SIZE;
      const megabytes = isFixed ? (blocks + block * blockSize) / MIB : 0;
      const state = isFixed ? BLOCK_STATE.fullyPresent : BLOCK_STATE.zero;
      view.setUint32(at, ((megabytes % 4096) * MIB + state) >>> 0, true);
      view.setUint32(at + 4, Math.floor(megabytes / 4096), true);
    }
    await target.write(offset + first * BAT_ENTRY_SIZE, piece);
  }
}
