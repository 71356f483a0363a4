/**
 * Checking a qcow2 image.
 *
 * All references to clusters are counted in memory and compared with the refcounts of the image; on the way every table
 * entry is examined. What is found, in which order and in which words, is what `qemu-img check` says of the same image.
 */

import { ImageError } from '../../../errors.js';
import type { CheckableImage, CheckReport, CheckRequest, ClusterUsage } from '../../../image/check.js';
import type { DriverContext } from '../../../image/driver.js';
import type { ByteSource, ByteStore } from '../../../storage/storage.js';
import { readHeader } from '../header.js';
import { QcowImage, type QcowParts } from '../image.js';
import { AUTOCLEAR, INCOMPATIBLE } from '../layout.js';
import { readParts } from '../open.js';
import { CheckedFile, ioError } from './checked-file.js';
import { type Comparison, compareRefcounts } from './compare-refcounts.js';
import { checkCopiedFlags } from './copied-flags.js';
import { rebuildRefcounts } from './rebuild.js';
import { countRefcountBlocks } from './refcount-blocks.js';
import { ReferenceCounts } from './reference-counts.js';
import { countReferences } from './reference-walk.js';
import { References } from './references.js';
import { repairSnapshotTable } from './snapshot-repair.js';
import { readSnapshotTable } from './snapshot-table.js';
import { addTally, emptyTally, emptyUsage } from './tally.js';

/** More clusters than this are not checked. */
const MOST_CLUSTERS = 2 ** 31 - 1;

/** Opens an image for its check: only header, bitmaps and data file have to be sound. */
export async function openForCheck(
  source: ByteSource,
  store: ByteStore | null,
  context: DriverContext,
): Promise<CheckableImage & QcowImage> {
  const header = await readHeader(source, true);
  const parts = await readParts(source, header, [], context);
  // Nothing of a data file is looked at, so one that may not be opened is no obstacle; one that is missing is damage.
  const { unreadable } = parts;
  if (parts.data === null && unreadable !== null && unreadable.code !== 'external') throw unreadable;
  return new CheckedImage(parts, store);
}

class CheckedImage extends QcowImage implements CheckableImage {
  #file: CheckedFile | null = null;

  constructor(
    parts: QcowParts,
    private readonly store: ByteStore | null,
  ) {
    super(parts);
  }

  async check(request: CheckRequest): Promise<CheckReport> {
    const { header, source } = this.parts;
    const file = this.#file ?? (await CheckedFile.open(header, source, this.store, request));
    this.#file = file;
    file.begin(request);
    return new Check(file).run();
  }
}

class Check {
  constructor(private readonly file: CheckedFile) {}

  async run(): Promise<CheckReport> {
    const { file } = this;
    const isRepair = file.repair !== 'none';
    if (isRepair) await file.clearUnknownAutoclear(AUTOCLEAR.bitmaps | AUTOCLEAR.rawData);
    const ofSnapshots = emptyTally();
    await readSnapshotTable(file, ofSnapshots);
    const report = await new RefcountCheck(file).run();
    if (file.repair === 'all') await repairSnapshotTable(file, ofSnapshots);
    addTally(report, ofSnapshots);
    if (isRepair && report.checkErrors === 0 && report.corruptions === 0) {
      await file.flush();
      await file.setIncompatible(file.header.incompatibleFeatures & ~(INCOMPATIBLE.dirty | INCOMPATIBLE.corrupt));
    }
    return report;
  }
}

/** Refcounts and flags against references. */
class RefcountCheck {
  readonly #tally = emptyTally();
  readonly #counts: ReferenceCounts;
  readonly #clusters: ClusterUsage;

  constructor(private readonly file: CheckedFile) {
    if (file.clusterCount > MOST_CLUSTERS) throw new ImageError('unsupported', 'File too large');
    this.#counts = new ReferenceCounts(file.header.refcountOrder, file.clusterCount);
    this.#clusters = emptyUsage(Math.ceil(file.header.size / file.clusterSize));
  }

  async run(): Promise<CheckReport> {
    const { file } = this;
    const tally = this.#tally;
    let mustRebuild = await this.#countReferences(file.repair === 'all');
    const beforeComparison = { ...tally };
    let comparison = await compareRefcounts(file, this.#counts, tally, 'none');
    mustRebuild ||= comparison.mustRebuild;
    if (mustRebuild && file.repair === 'all') comparison = await this.#rebuild();
    else if (mustRebuild && file.repair === 'leaks') {
      file.say('ERROR need to rebuild refcount structures');
      throw ioError();
    } else if (file.repair !== 'none' && (tally.leaks > 0 || tally.corruptions > 0)) {
      Object.assign(tally, beforeComparison);
      comparison = await compareRefcounts(file, this.#counts, tally, file.repair);
    }
    await checkCopiedFlags(file, tally);
    if (file.repair !== 'none') await file.flush();
    const imageEndOffset = (comparison.highestCluster + 1) * file.clusterSize;
    return { ...tally, clusters: this.#clusters, imageEndOffset };
  }

  /** Returns whether the refcount structures contradict themselves. */
  async #countReferences(repairs: boolean): Promise<boolean> {
    const references = new References(this.file, this.#counts, this.#tally, this.#clusters, repairs);
    await countReferences(references);
    return countRefcountBlocks(references, repairs);
  }

  /** New structures; then everything is counted and compared by them, and the old ones are freed. */
  async #rebuild(): Promise<Comparison> {
    const { file } = this;
    const tally = this.#tally;
    const { corruptions, leaks } = tally;
    file.say('Rebuilding refcount structure');
    await rebuildRefcounts(file, this.#counts, tally);
    tally.corruptions = 0;
    tally.leaks = 0;
    this.#counts.clear();
    await this.#countReferences(false);
    const freeing = emptyTally();
    const comparison = await compareRefcounts(file, this.#counts, freeing, 'leaks');
    if (comparison.mustRebuild) file.say('ERROR rebuilt refcount structure is still broken');
    tally.corruptionsFixed += Math.max(0, corruptions - tally.corruptions);
    tally.leaksFixed += Math.max(0, leaks - tally.leaks);
    tally.leaks += freeing.leaks;
    return comparison;
  }
}
