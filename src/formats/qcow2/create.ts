/**
 * Making an empty qcow2 image, laid out as `qemu-img create` does it.
 *
 *     cluster 0   header (withheld until the writer finishes)
 *     cluster 1   refcount table
 *     cluster 2   first refcount block
 *     cluster 3   L1 table; for large disks more refcount blocks and a larger table follow
 *     ...         preallocated L2 tables and data clusters
 */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import type { CreateRequest, DriverContext } from '../../image/driver.js';
import type { NewLuks } from '../../image/luks/create.js';
import { HEADER_AREA } from '../../image/luks/layout.js';
import type { ByteStore } from '../../storage/storage.js';
import { prepareEncryption } from './create-encrypted.js';
import { clusterSizeOf, l2CoverageOf, type QcowHeader, serializeHeader } from './header.js';
import { AUTOCLEAR, COMPATIBLE, CRYPT, ENTRY_SIZE, INCOMPATIBLE, LIMITS } from './layout.js';
import { checkedOptions, type QcowOptions } from './options.js';
import { tableTuning, type WritingParts, writingParts } from './parts.js';
import { Placer } from './placing.js';
import { enterClusters, takeClusters } from './preallocate.js';
import { perform, type Steps } from './steps.js';
import { QcowWriter } from './writer.js';

const SECTOR = 512;

/** Makes the empty image in `target`; it is not valid before the writer has finished. */
export async function createQcow2(
  target: ByteStore,
  request: CreateRequest,
  context: DriverContext,
): Promise<QcowWriter> {
  const options = checkedOptions(request);
  const size = roundUp(request.size, SECTOR);
  const header = newHeader(options, size);
  const encryption = await prepareEncryption(options.encryption, request.options, context);
  checkBackingName(header, options);
  if (request.compress && options.dataFile !== null)
    throw new ImageError('unsupported', 'Compression and external data files cannot be used at the same time');
  target.hint?.({ nocow: request.options.nocow === true, extentSize: sizeOf(request.options.extent_size_hint) });
  const data =
    options.dataFile === null ? target : await context.openReference(options.dataFile, 'create', 'data-file');
  try {
    const refcountTable = new Float64Array(options.clusterSize / ENTRY_SIZE);
    const parts = writingParts({
      header,
      store: target,
      data,
      kernels: context.kernels,
      refcountTable,
      inPlace: false,
      tuning: tableTuning(context, clusterSizeOf(header)),
      cipher: encryption?.cipher ?? null,
    });
    if (!target.readsZero) await target.write(0, new Uint8Array(SECTOR));
    await perform(layOut(parts, size));
    if (encryption?.container) await storeContainer(parts, encryption.container);
    await preallocate(parts, options, size);
    return new QcowWriter(parts, request, options);
  } catch (error) {
    if (data !== target) await data.close();
    throw error;
  }
}

function sizeOf(option: string | number | boolean | undefined): number | undefined {
  return option === undefined ? undefined : Number(option);
}

function newHeader(options: QcowOptions, size: number): QcowHeader {
  let incompatibleFeatures = 0n;
  if (options.dataFile !== null) incompatibleFeatures |= INCOMPATIBLE.dataFile;
  if (options.compression !== 'zlib') incompatibleFeatures |= INCOMPATIBLE.compression;
  if (options.extendedL2) incompatibleFeatures |= INCOMPATIBLE.extendedL2;
  return {
    version: options.version,
    clusterBits: Math.log2(options.clusterSize),
    size,
    cryptMethod: options.encryption === 'none' ? CRYPT.none : CRYPT[options.encryption],
    l1Size: 0,
    l1TableOffset: 0,
    refcountTableOffset: options.clusterSize,
    refcountTableClusters: 1,
    snapshotCount: 0,
    snapshotsOffset: 0,
    incompatibleFeatures,
    compatibleFeatures: options.lazyRefcounts ? COMPATIBLE.lazyRefcounts : 0n,
    autoclearFeatures: options.dataFileRaw ? AUTOCLEAR.rawData : 0n,
    refcountOrder: Math.log2(options.refcountBits),
    compression: options.compression,
    unknownFields: new Uint8Array(0),
    backingFile: options.backing?.name ?? null,
    extensions: {
      backingFormat: options.backing?.format ?? null,
      dataFile: options.dataFile,
      encryption: null,
      bitmaps: null,
      unknown: [],
    },
  };
}

/** The LUKS header gets clusters of its own. */
async function storeContainer(parts: WritingParts, container: NewLuks): Promise<void> {
  const { header, refcounts, space, store } = parts;
  const length = roundUp(container.payloadOffset, clusterSizeOf(header));
  const offset = await perform(refcounts.allocate(length / clusterSizeOf(header)));
  space.claim(offset, length);
  header.extensions.encryption = { offset, length: container.payloadOffset };
  if (!store.readsZero) await store.zero(offset, length);
  await store.write(offset, container.header);
  await store.write(offset + HEADER_AREA, container.material);
}

/** The name must fit where the format has room for it; both failures as QEMU reports them. */
function checkBackingName(header: QcowHeader, { backing }: QcowOptions): void {
  if (backing === null) return;
  const format = backing.format === null ? '(null)' : backing.format;
  const refused = (reason: string, cause?: unknown) => {
    const message = `Could not assign backing file '${backing.name}' with format '${format}': ${reason}`;
    return new ImageError('invalid', message, { cause });
  };
  if (new TextEncoder().encode(backing.name).length > LIMITS.backingName) throw refused('Invalid argument');
  try {
    serializeHeader(header);
  } catch (error) {
    if (error instanceof ImageError) throw refused(error.message, error);
    throw error;
  }
}

/** Header, refcount structures and L1 table; all but the header is counted and, in memory, written. */
function* layOut({ header, space, refcounts, clusterTables }: WritingParts, size: number): Steps<void> {
  const clusterSize = clusterSizeOf(header);
  space.claim(0, 3 * clusterSize);
  yield* refcounts.addFirstBlock(2 * clusterSize);
  yield* refcounts.allocate(3);
  const l1Size = Math.ceil(size / l2CoverageOf(header));
  const tooLarge = 'Could not resize image: Failed to grow the L1 table: File too large';
  if (l1Size * ENTRY_SIZE > LIMITS.l1Bytes) throw new ImageError('unsupported', tooLarge);
  yield* clusterTables.createL1(l1Size);
}

async function preallocate(parts: WritingParts, options: QcowOptions, size: number): Promise<void> {
  const { data, dataSpace, store } = parts;
  const { preallocation: mode } = options;
  const isExternal = data !== store;
  if (mode === 'off') {
    if (isExternal) dataSpace.reach(size);
    return;
  }
  if (mode === 'metadata' || isExternal) {
    const end = await perform(placerFor(parts).reserve(0, size));
    dataSpace.reach(end);
    if (mode !== 'metadata') await reserveSpace(data, dataSpace.end, mode);
    return;
  }
  await perform(reserveClusters(parts, size));
  await reserveSpace(store, dataSpace.end, mode);
}

/** While it makes an image QEMU does not handle L2 tables in slices. */
function placerFor({ clusterTables, refcounts, dataSpace }: WritingParts): Placer {
  return new Placer(clusterTables, refcounts, dataSpace, clusterTables.coverage);
}

async function reserveSpace(store: ByteStore, size: number, mode: 'falloc' | 'full'): Promise<void> {
  if (store.preallocate === undefined)
    throw new ImageError('unsupported', `Could not resize image: Unsupported preallocation mode '${mode}'`);
  await store.preallocate(size, mode);
}

function* reserveClusters(parts: WritingParts, size: number): Steps<void> {
  const row = yield* takeClusters(parts, 0, size);
  yield* enterClusters(parts, [0, size], row, 0, noPause);
}

function* noPause(): Steps<void> {}
