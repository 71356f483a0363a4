/** Opening a VHDX image: header, log, regions, metadata, table. */
import { corrupt, ImageError } from '../../errors.js';
import { AppendSpace } from '../../image/blocks/append-space.js';
import { BlockEditor } from '../../image/blocks/block-editor.js';
import { BlockImage, type BlockImageParts } from '../../image/blocks/block-image.js';
import { SectorImage } from '../../image/blocks/sector-image.js';
import type { DriverContext, EditRequest } from '../../image/driver.js';
import { guidText, randomGuid } from '../../image/guid.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { type CurrentHeader, checkLog, readHeaders, updateHeaders } from './headers.js';
import { FILE_SIGNATURE } from './layout.js';
import { readLog } from './log.js';
import { VhdxMap } from './map.js';
import { type Metadata, readMetadata } from './metadata.js';
import { type RegionTable, readRegions } from './regions.js';
import { ReplayedSource, replayInto } from './replayed-store.js';

const NO_LOG = new Uint8Array(16);

/** What there is to know of an image. */
export interface OpenedVhdx {
  /** The file as it is when its log has been replayed. */
  source: ByteSource;
  current: CurrentHeader;
  regions: RegionTable;
  metadata: Metadata;
  /** The log held changes: they have been made, or are made in memory. */
  wasReplayed: boolean;
}

/** Opens an image for reading; what its log holds is replayed in memory. Throws `corrupt` or `unsupported`. */
export async function openVhdx(source: ByteSource, { kernels }: DriverContext): Promise<BlockImage> {
  const opened = await readStructures(source, kernels);
  const parts = imageParts(opened);
  return opened.metadata.isDifferencing ? new SectorImage(parts) : new BlockImage(parts);
}

/** Opens an image for writing; see `prepareForWriting`. Throws `unsupported` for a differencing one. */
export async function editVhdx(
  store: ByteStore,
  { flush }: EditRequest,
  { kernels }: DriverContext,
): Promise<BlockEditor> {
  const opened = await prepareForWriting(store, kernels);
  if (opened.metadata.isDifferencing)
    throw new ImageError('unsupported', 'Differencing VHDX images cannot be written to');
  const space = new AppendSpace(store.size);
  const grow = async () => {
    if (store.size < space.end) await store.truncate(space.end);
  };
  const map = new VhdxMap(store, opened.regions.bat, opened.metadata, { sink: store, space });
  return new BlockEditor({
    ...imageParts(opened),
    source: store,
    map,
    kernels,
    flush,
    afterCommit: grow,
    // New identities before the first change, as the format demands.
    prepare: async () => {
      await updateHeaders(store, kernels, opened.current, { dataWriteGuid: randomGuid() });
    },
  });
}

/** What reads an image's blocks. */
export function imageParts({ source, current, regions, metadata }: OpenedVhdx): BlockImageParts & { map: VhdxMap } {
  const { size, blockSize, parent, isFixed } = metadata;
  return {
    format: 'vhdx',
    source,
    map: new VhdxMap(source, regions.bat, metadata, null),
    size,
    backing: parent === null ? null : { name: parent.path, format: 'vhdx' },
    lineage: { contentId: guidText(current.header.dataWriteGuid), parentIds: parent?.linkage ?? [] },
    details: () => ({ clusterSize: blockSize }),
    preallocated: isFixed,
  };
}

/** Reads all but the table, through the changes of the log. */
export async function readStructures(source: ByteSource, kernels: Kernels): Promise<OpenedVhdx> {
  const current = await readCurrent(source, kernels);
  const replay = await readLog(source, kernels, current.header);
  const replayed = replay === null ? source : new ReplayedSource(source, replay.changes, replay.fileSize);
  return { ...(await readTables(replayed, kernels, current)), wasReplayed: replay !== null };
}

/** Makes the changes of the log in the file, and empties it; then as `readStructures`. */
export async function prepareForWriting(store: ByteStore, kernels: Kernels): Promise<OpenedVhdx> {
  let current = await readCurrent(store, kernels);
  const replay = await readLog(store, kernels, current.header);
  if (replay !== null) {
    await replayInto(store, replay.changes, replay.fileSize);
    current = await updateHeaders(store, kernels, current, { logGuid: NO_LOG });
  }
  return { ...(await readTables(store, kernels, current)), wasReplayed: replay !== null };
}

async function readCurrent(source: ByteSource, kernels: Kernels): Promise<CurrentHeader> {
  const signature = new Uint8Array(FILE_SIGNATURE.length);
  if (source.size >= signature.length) await source.read(0, signature);
  if (!FILE_SIGNATURE.every((byte, at) => signature[at] === byte)) throw corrupt('Image is not in vhdx format');
  const current = await readHeaders(source, kernels);
  checkLog(current.header);
  return current;
}

async function readTables(
  source: ByteSource,
  kernels: Kernels,
  current: CurrentHeader,
): Promise<Omit<OpenedVhdx, 'wasReplayed'>> {
  const regions = await readRegions(source, kernels, current.header);
  return { source, current, regions, metadata: await readMetadata(source, regions.metadata) };
}
