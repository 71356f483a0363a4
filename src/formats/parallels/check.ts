/**
 * Checking and repairing Parallels images, as QEMU does: clusters beyond the end of the file or in two places of the
 * disk, space behind the last cluster, an image that was not closed.
 */
import { roundUp } from '../../bytes.js';
import { ImageError } from '../../errors.js';
import { BlockImage } from '../../image/blocks/block-image.js';
import type { EntryTable } from '../../image/blocks/entry-table.js';
import type { CheckableImage, CheckReport, CheckRequest } from '../../image/check.js';
import { isPending } from '../../maybe.js';
import type { ByteSource, ByteStore } from '../../storage/storage.js';
import { type ParallelsHeader, readHeader, refuseExtension, writeHeader } from './header.js';
import { IN_USE, SECTOR } from './layout.js';
import { batOf, endOfData, ParallelsMap } from './map.js';
import { partsOf } from './parts.js';

/** More clusters of a file than this are not checked. */
const MOST_CLUSTERS = 2 ** 31 - 1;
/** Bytes that are copied at once. */
const CHUNK = 1024 * 1024;

/** Throws `corrupt` for a header that cannot be. */
export async function openForCheck(source: ByteSource, store: ByteStore | null): Promise<CheckableImage> {
  const header = await readHeader(source);
  return new CheckedParallels(source, store, header);
}

class CheckedParallels extends BlockImage implements CheckableImage {
  constructor(
    source: ByteSource,
    private readonly store: ByteStore | null,
    header: ParallelsHeader,
  ) {
    super({ ...partsOf(header), source, map: new ParallelsMap(source, header, null) });
  }

  check(request: CheckRequest): Promise<CheckReport> {
    return checkTable(this.parts.source, this.store, request);
  }
}

/**
 * Checks an image from scratch. `store` is null: there will be no repairs. Throws `unsupported` for repairs of an image
 * with a format extension, which lies behind the clusters and would be cut off.
 */
export async function checkTable(
  source: ByteSource,
  store: ByteStore | null,
  request: CheckRequest,
): Promise<CheckReport> {
  const header = await readHeader(source);
  if (request.repair !== 'none') refuseExtension(header);
  const check = new Check(source, store, header, batOf(source, store, header), request);
  return check.run();
}

class Check {
  readonly #repairs: boolean;
  readonly #report: CheckReport;
  #isHeaderChanged = false;
  /** Byte of the file behind the last cluster. */
  #end = 0;

  constructor(
    private readonly source: ByteSource,
    private readonly store: ByteStore | null,
    private readonly header: ParallelsHeader,
    private readonly bat: EntryTable,
    private readonly request: CheckRequest,
  ) {
    this.#repairs = request.repair === 'all' && store !== null;
    const clusters = { total: bat.count, allocated: 0, fragmented: 0, compressed: 0 };
    const tally = { corruptions: 0, leaks: 0, checkErrors: 0, corruptionsFixed: 0, leaksFixed: 0 };
    this.#report = { ...tally, clusters, imageEndOffset: 0 };
  }

  async run(): Promise<CheckReport> {
    this.#checkHeader();
    await this.#checkPlaces();
    await this.#checkEnd();
    await this.#checkDuplicates();
    await this.#countClusters();
    await this.#save();
    this.#report.imageEndOffset = this.#end;
    return this.#report;
  }

  #checkHeader(): void {
    const { header } = this;
    if (header.inUse === IN_USE) {
      this.#corruption('image was not closed correctly');
      header.inUse = this.#repairs ? 0 : header.inUse;
    }
    if (!header.isDataStartRight) {
      this.#corruption('data_off field has incorrect value');
      if (this.#repairs) header.dataOffset = header.dataStart / SECTOR;
    }
    this.#isHeaderChanged = this.#report.corruptionsFixed > 0;
  }

  /** Takes clusters out of the table that are not in the file, or lie in the header. */
  async #checkPlaces(): Promise<void> {
    const { clusterSize, dataStart } = this.header;
    let end = 0;
    for (let index = 0; index < this.bat.count; index++) {
      const host = await this.#hostOf(index);
      if (host === null) continue;
      if (host >= dataStart && host + clusterSize <= this.source.size) {
        end = Math.max(end, host + clusterSize);
        continue;
      }
      this.#corruption(`cluster ${index} is outside image`);
      if (this.#repairs) await this.bat.set(index, 0);
    }
    this.#end = end === 0 ? await endOfData(this.bat, this.header) : end;
  }

  async #checkEnd(): Promise<void> {
    const { source, store } = this;
    const excess = roundUp(source.size, SECTOR) - this.#end;
    if (excess <= 0) return;
    const clusters = Math.ceil(excess / this.header.clusterSize);
    const isRepaired = this.request.repair !== 'none' && store !== null;
    this.#tell(isRepaired, `space leaked at the end of the image ${excess}`);
    this.#report.leaks += clusters;
    if (!isRepaired) return;
    await store.truncate(this.#end);
    this.#report.leaksFixed += clusters;
  }

  /** Gives a cluster that shows in two places of the disk a copy for the second one. */
  async #checkDuplicates(): Promise<void> {
    const { clusterSize, dataStart } = this.header;
    const clusters = Math.ceil((this.#end - dataStart) / clusterSize);
    if (clusters > MOST_CLUSTERS) throw new ImageError('unsupported', 'File too large');
    const seen = new Uint8Array(Math.ceil(Math.max(0, clusters) / 8));
    for (let index = 0; index < this.bat.count; index++) {
      const host = await this.#hostOf(index);
      if (host === null || host < dataStart || host >= this.#end) continue;
      const cluster = Math.floor((host - dataStart) / clusterSize);
      const bit = 1 << (cluster & 7);
      if ((seen[cluster >> 3]! & bit) !== 0) {
        this.#corruption(`duplicate offset in BAT entry ${index}`);
        if (this.#repairs) await this.#copyCluster(index, host);
      }
      seen[cluster >> 3]! |= bit;
    }
  }

  async #copyCluster(index: number, from: number): Promise<void> {
    const { clusterSize, entryUnit } = this.header;
    const to = roundUp(this.#end, entryUnit);
    for (let at = 0; at < clusterSize; at += CHUNK) {
      const bytes = new Uint8Array(Math.min(CHUNK, clusterSize - at));
      await this.source.read(from + at, bytes);
      await this.store!.write(to + at, bytes);
    }
    await this.bat.set(index, to / entryUnit);
    this.#end = to + clusterSize;
  }

  async #countClusters(): Promise<void> {
    const { clusters } = this.#report;
    const { clusterSize } = this.header;
    let before: number | null = null;
    for (let index = 0; index < this.bat.count; index++) {
      const host = await this.#hostOf(index);
      const isThere = host !== null && host + clusterSize <= this.#end;
      if (isThere) {
        if (before !== null && before + clusterSize !== host) clusters.fragmented++;
        clusters.allocated++;
      }
      before = isThere ? host : null;
    }
  }

  /** Clusters, then the table, then the header that says that all is well. */
  async #save(): Promise<void> {
    const { store, request } = this;
    if (store === null || request.repair === 'none') return;
    if (request.flush) await store.flush();
    await this.bat.cache.flush();
    if (request.flush) await store.flush();
    if (this.#isHeaderChanged) await writeHeader(store, this.header);
    if (request.flush) await store.flush();
  }

  async #hostOf(index: number): Promise<number | null> {
    const answer = this.bat.get(index);
    const entry = isPending(answer) ? await answer : answer;
    return entry === 0 ? null : entry * this.header.entryUnit;
  }

  #corruption(what: string): void {
    this.#tell(this.#repairs, what);
    this.#report.corruptions++;
    if (this.#repairs) this.#report.corruptionsFixed++;
  }

  #tell(isRepaired: boolean, what: string): void {
    this.request.events.onFinding(`${isRepaired ? 'Repairing' : 'ERROR'} ${what}`);
  }
}
