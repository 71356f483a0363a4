/** Opening a VHDX image: header, log, regions, metadata, table. */
import { corrupt } from '../../errors.js';
import type { DriverContext } from '../../image/driver.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { Bat } from './bat.js';
import { type CurrentHeader, checkLog, readHeaders, updateHeaders } from './headers.js';
import { VhdxImage, type VhdxParts } from './image.js';
import { FILE_SIGNATURE } from './layout.js';
import { readLog } from './log.js';
import { readMetadata } from './metadata.js';
import { type RegionTable, readRegions } from './regions.js';
import { ReplayedSource, replayInto } from './replayed-store.js';

const NO_LOG = new Uint8Array(16);

/** Opens an image for reading; what its log holds is replayed in memory. Throws `corrupt` or `unsupported`. */
export async function openVhdx(source: ByteSource, { kernels }: DriverContext): Promise<VhdxImage> {
  return new VhdxImage((await openParts(source, kernels)).parts);
}

/** What there is to know of an image, and what its headers are. */
export interface OpenedVhdx {
  parts: VhdxParts;
  regions: RegionTable;
  current: CurrentHeader;
  /** The log held changes: they have been made, or are made in memory. */
  wasReplayed: boolean;
}

/** Opens an image for reading, as `openVhdx`. */
export async function openParts(source: ByteSource, kernels: Kernels): Promise<OpenedVhdx> {
  const current = await readCurrent(source, kernels);
  const replay = await readLog(source, kernels, current.header);
  const replayed = replay === null ? source : new ReplayedSource(source, replay.changes, replay.fileSize);
  return { ...(await readParts(replayed, null, kernels, current)), current, wasReplayed: replay !== null };
}

/** Opens an image for writing: replays its log, and empties it. */
export async function openForWriting(store: ByteStore, kernels: Kernels): Promise<OpenedVhdx> {
  let current = await readCurrent(store, kernels);
  const replay = await readLog(store, kernels, current.header);
  if (replay !== null) {
    await replayInto(store, replay.changes, replay.fileSize);
    current = await updateHeaders(store, kernels, current, { logGuid: NO_LOG });
  }
  return { ...(await readParts(store, store, kernels, current)), current, wasReplayed: replay !== null };
}

async function readCurrent(source: ByteSource, kernels: Kernels): Promise<CurrentHeader> {
  const signature = new Uint8Array(FILE_SIGNATURE.length);
  if (source.size >= signature.length) await source.read(0, signature);
  if (!FILE_SIGNATURE.every((byte, at) => signature[at] === byte)) throw corrupt('Image is not in vhdx format');
  const current = await readHeaders(source, kernels);
  checkLog(current.header);
  return current;
}

/** `store`: the same storage if the table is going to be changed. */
async function readParts(
  source: ByteSource,
  store: ByteStore | null,
  kernels: Kernels,
  { header }: CurrentHeader,
): Promise<{ parts: VhdxParts; regions: RegionTable }> {
  const regions = await readRegions(source, kernels, header);
  const metadata = await readMetadata(source, regions.metadata);
  return { parts: { source, metadata, bat: new Bat(source, store, regions.bat, metadata) }, regions };
}
