/** Filling a new qcow2 image: runs in, file out, the header last. */

import { roundUp } from '../../bytes.js';
import type { CreateRequest } from '../../image/driver.js';
import { HostWrites } from '../../image/host-writes.js';
import type { BitmapInfo, BitmapStretch, ImageWriter, PendingWrite, PreparedRun } from '../../image/image.js';
import type { UnitEncoding } from '../../kernels/kernels.js';
import { isPending, type MaybePromise } from '../../maybe.js';
import type { ByteSink, ByteStore } from '../../storage/storage.js';
import { BitmapStore } from './bitmaps-write.js';
import { serializeHeader } from './header.js';
import type { HostSpace } from './host-space.js';
import { AUTOCLEAR } from './layout.js';
import type { QcowOptions } from './options.js';
import { dataSink, encodingOf, runToPlace, unitOf, type WritingParts } from './parts.js';
import { RunPlacer } from './run-placer.js';
import { perform } from './steps.js';

const SECTOR = 512;

export class QcowWriter implements ImageWriter {
  readonly size: number;
  readonly unit: number;
  readonly encoding: UnitEncoding | null;
  readonly unordered = false;
  readonly readsZero: boolean;
  readonly #runs: RunPlacer;
  readonly #bitmaps: BitmapStore;
  readonly #sink: ByteSink;

  constructor(
    private readonly parts: WritingParts,
    private readonly request: Pick<CreateRequest, 'compress' | 'flush'>,
    options: QcowOptions,
  ) {
    const { header, clusterTables, refcounts, placer, space, dataSpace, data, cipher } = parts;
    this.#sink = dataSink(parts);
    this.size = header.size;
    this.unit = unitOf(header);
    this.encoding = request.compress ? encodingOf(header, options.compressionLevel) : null;
    const hasBacking = header.backingFile !== null;
    const storageReadsZero = data.readsZero && cipher === null;
    // Preallocated clusters, and those of a data file, read as what the storage holds.
    const showsStorage = options.preallocation !== 'off' || data !== parts.store;
    this.readsZero = !hasBacking && (storageReadsZero || !showsStorage);
    const rules = {
      readsZero: this.readsZero && cipher === null,
      hasBacking,
      compresses: request.compress,
      version: header.version,
      isDataRaw: (header.autoclearFeatures & AUTOCLEAR.rawData) !== 0n,
    };
    this.#bitmaps = new BitmapStore(parts);
    this.#runs = new RunPlacer(rules, clusterTables, refcounts, placer, space, dataSpace);
  }

  place(run: PreparedRun): MaybePromise<PendingWrite | undefined> {
    const { kernels } = this.parts;
    const writes = new HostWrites();
    const placed = perform(this.#runs.place(runToPlace(this.parts, run), writes));
    const pending = () => (writes.isEmpty ? undefined : () => writes.write(this.#sink, kernels));
    return isPending(placed) ? placed.then(pending) : pending();
  }

  async addBitmap(bitmap: BitmapInfo, content: AsyncIterable<BitmapStretch>): Promise<void> {
    await this.#bitmaps.add(bitmap, content);
  }

  async finish(): Promise<void> {
    await this.#bitmaps.finish();
    const { store, data, space, dataSpace, tables, blocks, refcounts, header } = this.parts;
    await perform(refcounts.closeRun());
    await tables.flush();
    await blocks.flush();
    await perform(refcounts.writeTable());
    // Compressed streams end anywhere; the file ends with a sector.
    if (this.request.compress) space.reach(roundUp(space.end, SECTOR));
    await setLength(store, space);
    if (data !== store) await setLength(data, dataSpace);
    if (this.request.flush) await Promise.all(data === store ? [store.flush()] : [data.flush(), store.flush()]);
    await writeHeader(store, serializeHeader(header));
    if (this.request.flush) await store.flush();
  }

  async close(): Promise<void> {
    const { store, data } = this.parts;
    await Promise.all(data === store ? [store.close()] : [store.close(), data.close()]);
  }
}

/** The file ends where the last of its clusters does; a device has its own end. */
async function setLength(store: ByteStore, space: HostSpace): Promise<void> {
  const isFile = store.readsZero;
  if (store.size < space.end || (isFile && store.size > space.end)) await store.truncate(space.end);
}

/** The sector with the magic comes last, so that an image either is complete or is none. */
async function writeHeader(store: ByteStore, header: Uint8Array): Promise<void> {
  if (header.length > SECTOR) await store.write(SECTOR, header.subarray(SECTOR));
  await store.write(0, header.subarray(0, SECTOR));
}
