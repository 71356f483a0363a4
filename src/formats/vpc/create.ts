/** Making VHD images, laid out as `qemu-img create -f vpc` does it. */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockWriter } from '../../image/blocks/block-writer.js';
import { U32_BE, writeTable } from '../../image/blocks/entry-table.js';
import type { CreateRequest, DriverContext } from '../../image/driver.js';
import { freshIdentity, type Identity } from '../../image/identity.js';
import type { ImageWriter } from '../../image/image.js';
import type { OptionTable } from '../../image/options.js';
import { PlainWriter } from '../../image/plain/plain-writer.js';
import { setLength } from '../../storage/length.js';
import type { ByteStore } from '../../storage/storage.js';
import { serializeFooter } from './footer.js';
import { capacityOf, type Geometry, geometryFor, isLargest, LARGEST_GEOMETRY } from './geometry.js';
import {
  checksumOf,
  FEATURE_RESERVED,
  FOOTER_COOKIE,
  FOOTER_SIZE,
  HEADER,
  HEADER_COOKIE,
  HEADER_SIZE,
  LARGEST_DISK,
  NO_BLOCK,
  NO_OFFSET,
  SECTOR,
  TYPE,
  VERSION_1_0,
} from './layout.js';
import { VpcMap } from './map.js';

export const createOptions: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size' },
  {
    name: 'subformat',
    type: 'string',
    help: 'Type of virtual hard disk format. Supported formats are {dynamic (default) | fixed} ',
    values: ['dynamic', 'fixed'],
  },
  {
    name: 'force_size',
    type: 'bool',
    help: 'Force disk size calculation to use the actual size specified, rather than using the nearest CHS-based calculation',
  },
];

const BLOCK = 2 * 1024 * 1024;
const TABLE_OFFSET = FOOTER_SIZE + HEADER_SIZE;
/** Seconds from 1970 to 2000, from which on VHD counts. */
const EPOCH = 946684800;

/** What the options make of a disk. */
interface Disk {
  /** Bytes. */
  size: number;
  geometry: Geometry;
  type: number;
  creator: string;
}

/** Makes an empty image; it is not valid before the writer has finished. Throws `invalid`. */
export function createVpc(target: ByteStore, request: CreateRequest, context: DriverContext): Promise<ImageWriter> {
  const disk = diskFor(request);
  return disk.type === TYPE.fixed
    ? createFixed(target, request, disk, context)
    : createDynamic(target, request, disk, context);
}

async function createFixed(
  target: ByteStore,
  { flush }: CreateRequest,
  disk: Disk,
  { identity = freshIdentity() }: DriverContext,
): Promise<PlainWriter> {
  await setLength(target, disk.size + FOOTER_SIZE);
  if (!target.readsZero) await target.write(disk.size, new Uint8Array(FOOTER_SIZE));
  return new PlainWriter(target, disk.size, flush, async () => {
    await target.write(disk.size, await footerOf(disk, identity));
  });
}

async function createDynamic(
  target: ByteStore,
  { flush }: CreateRequest,
  disk: Disk,
  { kernels, identity = freshIdentity() }: DriverContext,
): Promise<BlockWriter> {
  const tableEntries = Math.ceil(disk.size / BLOCK);
  const tableSize = roundUp(tableEntries * U32_BE.size, SECTOR);
  const space = new AppendSpace(TABLE_OFFSET + tableSize);
  if (!target.readsZero) await target.write(0, new Uint8Array(FOOTER_SIZE));
  await writeHeader(target, tableEntries);
  await writeTable(target, TABLE_OFFSET, tableSize / U32_BE.size, U32_BE, () => NO_BLOCK);
  const shape = { offset: FOOTER_SIZE, tableOffset: TABLE_OFFSET, tableEntries, blockSize: BLOCK };
  return new BlockWriter({
    store: target,
    kernels,
    map: new VpcMap(target, shape, false, { sink: target, space, beforeTable: async () => {} }),
    size: disk.size,
    encoding: null,
    hasBacking: false,
    flush,
    async complete() {
      const footer = await footerOf(disk, identity);
      await target.write(space.end, footer);
      await target.write(0, footer);
    },
  });
}

async function writeHeader(target: ByteStore, tableEntries: number): Promise<void> {
  const bytes = new Uint8Array(HEADER_SIZE);
  HEADER.write(bytes, {
    cookie: HEADER_COOKIE,
    dataOffset: NO_OFFSET,
    tableOffset: TABLE_OFFSET,
    version: VERSION_1_0,
    tableEntries,
    blockSize: BLOCK,
  });
  HEADER.write(bytes, { checksum: checksumOf(bytes, HEADER.fields.checksum[0]) });
  await target.write(FOOTER_SIZE, bytes);
}

/** Checks the options and rounds the size up to one that a geometry describes, unless that is not wanted. */
function diskFor({ size: wanted, options }: CreateRequest): Disk {
  const { subformat = 'dynamic', force_size: forced = false } = options;
  if (subformat !== 'dynamic' && subformat !== 'fixed')
    throw new ImageError('invalid', `Parameter 'subformat' does not accept value '${subformat}'`);
  const type = TYPE[subformat];
  const whole = roundUp(wanted, SECTOR);
  if (forced === true) return { size: checkedSize(whole), geometry: LARGEST_GEOMETRY, type, creator: 'qem2' };
  const size = sizeOf(geometryFor(whole), whole);
  const geometry = geometryFor(size);
  if (sizeOf(geometry, size) !== size)
    throw new ImageError('invalid', 'The requested image size cannot be represented in CHS geometry');
  return { size, geometry, type, creator: 'qemu' };
}

function sizeOf(geometry: Geometry, wanted: number): number {
  return isLargest(geometry) ? checkedSize(wanted) : capacityOf(geometry);
}

function checkedSize(size: number): number {
  if (size > LARGEST_DISK)
    throw new ImageError('unsupported', 'Disk size is too large, max size is 2040 GiB', {
      cause: new ImageError('unsupported', 'File too large'),
    });
  return size;
}

async function footerOf({ size, geometry, type, creator }: Disk, identity: Identity): Promise<Uint8Array> {
  const text = (value: string) => new TextEncoder().encode(value);
  return serializeFooter({
    cookie: FOOTER_COOKIE,
    features: FEATURE_RESERVED,
    version: VERSION_1_0,
    dataOffset: type === TYPE.fixed ? NO_OFFSET : BigInt(FOOTER_SIZE),
    timestamp: Math.min(Math.max(0, identity.time() - EPOCH), 0xffff_ffff),
    creator: text(creator),
    creatorMajor: 5,
    creatorMinor: 3,
    creatorOs: text('Wi2k'),
    originalSize: BigInt(size),
    currentSize: BigInt(size),
    ...geometry,
    type,
    uuid: await identity.uuid('image'),
  });
}
