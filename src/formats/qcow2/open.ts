/** Opens a qcow2 image for reading. */
import { corrupt, ImageError } from '../../errors.js';
import type { DriverContext } from '../../image/driver.js';
import { TableCache } from '../../image/table-cache.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { readBitmaps } from './bitmaps.js';
import { openEncryption } from './encryption.js';
import { clusterSizeOf, hasDataFile, type QcowHeader, readHeader } from './header.js';
import { DataHoles } from './holes.js';
import { QcowImage, type QcowParts } from './image.js';
import { overlapIn } from './l1-overlap.js';
import { AUTOCLEAR, ENTRY_SIZE } from './layout.js';
import { tableTuning } from './parts.js';
import { readSnapshots, type Snapshot } from './snapshots.js';

/**
 * Reads header, snapshot table and bitmap directory; throws where one of them is damaged. An image that is sound but
 * cannot be read (encrypted, its data file missing or refused, its tables endless) opens and is `unreadable`.
 */
export async function openQcow2(source: ByteSource, context: DriverContext): Promise<QcowImage> {
  const header = await readHeader(source);
  if (header.l1TableOffset + header.l1Size * ENTRY_SIZE > source.size)
    throw corrupt('Active L1 table ends beyond the end of the file');
  const parts = await readParts(source, header, await readSnapshots(source, header), context);
  const l1 = { offset: header.l1TableOffset, entries: header.l1Size };
  const overlap = await overlapIn(l1, parts.tables, clusterSizeOf(header), source.size);
  return new QcowImage({ ...parts, unreadable: parts.unreadable ?? overlap });
}

/** What an image consists of besides header and snapshots. Throws where bitmaps or encryption are damaged. */
export async function readParts(
  source: ByteSource,
  header: QcowHeader,
  snapshots: readonly Snapshot[],
  context: DriverContext,
): Promise<QcowParts> {
  const bitmaps = await readBitmaps(source, header);
  const encryption = await openEncryption(source, header, context);
  const { data, failure } = await openData(source, header, context, 'read');
  const { pageSize = clusterSizeOf(header), memory } = tableTuning(context, clusterSizeOf(header));
  const tables = new TableCache(source, null, pageSize, memory);
  return {
    header,
    source,
    data,
    tables,
    holes: new DataHoles(header, source, data, tables),
    kernels: context.kernels,
    snapshots,
    bitmaps,
    encryption: encryption.details,
    cipher: encryption.cipher,
    unreadable: encryption.failure ?? failure,
  };
}

interface OpenedData<S> {
  data: S | ByteStore | null;
  failure: ImageError | null;
}

/** The storage that holds the guest's bytes: the image itself or its external data file. */
export async function openData<S extends ByteSource>(
  source: S,
  header: QcowHeader,
  context: DriverContext,
  mode: 'read' | 'write',
): Promise<OpenedData<S>> {
  const given = context.runtimeOptions?.['data-file'];
  if (!hasDataFile(header)) {
    if (given !== undefined)
      throw new ImageError('invalid', "'data-file' can only be set for images with an external data file");
    const isRaw = (header.autoclearFeatures & AUTOCLEAR.rawData) !== 0n;
    return isRaw
      ? { data: null, failure: corrupt('data-file-raw requires a data file') }
      : { data: source, failure: null };
  }
  const name = given === undefined ? header.extensions.dataFile : String(given);
  if (name === null)
    return { data: null, failure: new ImageError('invalid', "'data-file' is required for this image") };
  if (context.describesOnly)
    return { data: null, failure: new ImageError('invalid', 'The image was opened without its data file') };
  try {
    return { data: await context.openReference(name, mode, 'data-file'), failure: null };
  } catch (error) {
    if (error instanceof ImageError) return { data: null, failure: error };
    throw error;
  }
}
