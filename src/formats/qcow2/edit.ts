/** Opens a qcow2 image for writing. */
import { viewOf } from '../../bytes.js';
import { corrupt, ImageError } from '../../errors.js';
import { NO_EVENTS } from '../../image/check.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import { TableCache } from '../../image/table-cache.js';
import type { ByteStore } from '../../storage/storage.js';
import { readBitmaps } from './bitmaps.js';
import { openForCheck } from './check/check.js';
import { QcowEditor } from './editor.js';
import { openEncryption } from './encryption.js';
import { clusterSizeOf, type QcowHeader, readHeader } from './header.js';
import { DataHoles } from './holes.js';
import type { QcowParts } from './image.js';
import { ENTRY_SIZE, hostOffsetOf, INCOMPATIBLE } from './layout.js';
import { openData } from './open.js';
import { tableTuning, type WritingParts, writingParts } from './parts.js';
import { ProtectedRanges } from './protected.js';
import { readSnapshots } from './snapshots.js';

/** Bytes of tables that only questions for holes need. */
const HOLES_MEMORY = 1024 * 1024;

/** Opens the image in `store` to be changed in place; throws as `openToWrite`, and `unsupported` where compressing it is. */
export async function editQcow2(store: ByteStore, request: EditRequest, context: DriverContext): Promise<QcowEditor> {
  const { parts, writing } = await openToWrite(store, request, context);
  if (request.compress && writing.cipher !== null)
    throw new ImageError('unsupported', 'Compression and encryption not supported at the same time');
  return new QcowEditor(parts, writing, request, context.events);
}

/** What reads an image, and what changes it. */
export interface WritableQcow2 {
  parts: QcowParts;
  writing: WritingParts;
}

/**
 * Puts together what changes the image in `store`. Throws `corrupt` where its refcounts cannot be trusted: allocating
 * by them could overwrite what is in use.
 */
export async function openToWrite(
  store: ByteStore,
  request: EditRequest,
  context: DriverContext,
): Promise<WritableQcow2> {
  let header = await readHeader(store);
  refuseUnsafe(header);
  if (isDirty(header)) {
    await repairRefcounts(store, request, context);
    header = await readHeader(store);
  }
  if (header.l1TableOffset + header.l1Size * ENTRY_SIZE > store.size)
    throw corrupt('Active L1 table ends beyond the end of the file');
  const snapshots = await readSnapshots(store, header);
  const bitmaps = await readBitmaps(store, header);
  const refcountTable = await readRefcountTable(store, header);
  const encryption = await openEncryption(store, header, context);
  if (encryption.failure !== null) throw encryption.failure;
  const { data, failure } = await openData(store, header, context, 'write');
  if (data === null) throw failure;
  const { kernels } = context;
  const { cipher } = encryption;
  const tuning = tableTuning(context, clusterSizeOf(header));
  const writing = writingParts({ header, store, data, kernels, refcountTable, inPlace: true, tuning, cipher });
  writing.refcounts.protect(await ProtectedRanges.of(store, header, snapshots, refcountTable, context.events));
  const parts: QcowParts = {
    header,
    source: store,
    data,
    tables: writing.tables,
    holes: new DataHoles(header, store, data, new TableCache(store, null, clusterSizeOf(header), HOLES_MEMORY)),
    kernels,
    snapshots,
    bitmaps,
    encryption: encryption.details,
    cipher: encryption.cipher,
    unreadable: null,
    fileSize: () => Math.max(store.size, writing.space.end),
  };
  return { parts, writing };
}

function refuseUnsafe(header: QcowHeader): void {
  if ((header.incompatibleFeatures & INCOMPATIBLE.corrupt) !== 0n)
    throw corrupt('qcow2: Image is corrupt; cannot be opened read/write');
}

function isDirty(header: QcowHeader): boolean {
  return (header.incompatibleFeatures & INCOMPATIBLE.dirty) !== 0n;
}

/** Whoever wrote the image last postponed its refcounts and never came back to them: they are made anew. */
async function repairRefcounts(store: ByteStore, { flush }: EditRequest, context: DriverContext): Promise<void> {
  const image = await openForCheck(store, store, { ...context, encryption: undefined });
  const { data } = image.parts;
  try {
    const { events = NO_EVENTS } = context;
    const { corruptions, checkErrors } = await image.check({ repair: 'all', flush, events });
    if (corruptions > 0 || checkErrors > 0) throw corrupt('qcow2: Could not repair dirty image');
  } finally {
    if (data !== store) await data?.close();
  }
}

async function readRefcountTable(store: ByteStore, header: QcowHeader): Promise<Float64Array> {
  const length = header.refcountTableClusters * clusterSizeOf(header);
  if (header.refcountTableOffset + length > store.size)
    throw corrupt('Could not initialize refcount handling: the table ends beyond the end of the file');
  const bytes = new Uint8Array(length);
  store.announce?.('reftable_load');
  await store.read(header.refcountTableOffset, bytes);
  const view = viewOf(bytes);
  const table = new Float64Array(length / ENTRY_SIZE);
  // What no file reaches stays in the table: whoever needs the block finds out.
  for (let index = 0; index < table.length; index++)
    table[index] = hostOffsetOf(view.getUint32(index * ENTRY_SIZE), view.getUint32(index * ENTRY_SIZE + 4));
  return table;
}
