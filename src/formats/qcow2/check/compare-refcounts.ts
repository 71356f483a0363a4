/** The refcounts that the image has, against the references that were counted. */
import type { CheckTally, Repair } from '../../../image/check.js';
import { alternateHex } from '../corruption.js';
import { type CheckedFile, hexOffset } from './checked-file.js';
import type { ReferenceCounts } from './reference-counts.js';
import type { CountsStretch } from './stored-refcounts.js';

export interface Comparison {
  /** There is a reference where there is no refcount: a block may be missing. */
  mustRebuild: boolean;
  /** Index of the last cluster that is in use by either. */
  highestCluster: number;
}

/** Reports every cluster whose refcount is not the number of its references; with `repair`, corrects it. */
export async function compareRefcounts(
  file: CheckedFile,
  counts: ReferenceCounts,
  tally: CheckTally,
  repair: Repair,
): Promise<Comparison> {
  const comparer = new Comparer(file, counts, tally, repair);
  await comparer.run();
  return comparer.result;
}

/** Stretches of clusters that become free together. */
interface Freed {
  first: number;
  end: number;
}

class Comparer {
  readonly result: Comparison = { mustRebuild: false, highestCluster: 0 };
  readonly #freed: Freed[] = [];

  constructor(
    private readonly file: CheckedFile,
    private readonly counts: ReferenceCounts,
    private readonly tally: CheckTally,
    private readonly repair: Repair,
  ) {}

  async run(): Promise<void> {
    const { file, counts } = this;
    const end = counts.length;
    for (let cluster = 0; cluster < end; ) {
      const stretch = await file.refcounts.stretch(cluster);
      const stop = Math.min(end, stretch.end);
      if ('unreadable' in stretch) await this.#unreadable(stretch.unreadable, cluster, stop);
      else await this.#compare(stretch, cluster, stop);
      cluster = stop;
    }
    // An image that was given up is not written to any more; the next check finds these leaks again.
    if (this.repair === 'none' || file.isUnusable) return;
    await file.refcounts.flush();
    await file.flush();
    await this.#release();
  }

  async #compare({ view, first }: CountsStretch, from: number, to: number): Promise<void> {
    const { counts, result } = this;
    const { width } = this.file.refcounts;
    for (let cluster = from; cluster < to; cluster++) {
      if (view === null) {
        cluster = counts.skipUncounted(cluster, to);
        if (cluster === to) return;
      }
      const stored = view === null ? 0 : width.get(view, cluster - first);
      const counted = counts.get(cluster);
      if (stored > 0 || counted > 0) result.highestCluster = cluster;
      if (stored === counted) continue;
      const isSafe = view === null || stored <= Number.MAX_SAFE_INTEGER;
      const shown = isSafe ? BigInt(stored) : view.getBigUint64((cluster - first) / width.perByte);
      await this.#mismatch(cluster, stored, counted, shown);
    }
  }

  async #mismatch(cluster: number, stored: number, counted: number, shown: bigint): Promise<void> {
    const { tally, repair } = this;
    const isLeak = stored > counted;
    if (stored === 0) this.result.mustRebuild = true;
    const repairs = stored !== 0 && (isLeak ? repair !== 'none' : repair === 'all');
    const verb = repairs ? 'Repairing' : isLeak ? 'Leaked' : 'ERROR';
    this.file.say(`${verb} cluster ${cluster} refcount=${shown} reference=${counted}`);
    if (repairs) await this.#correct(cluster, counted);
    if (isLeak) tally[repairs ? 'leaksFixed' : 'leaks']++;
    else tally[repairs ? 'corruptionsFixed' : 'corruptions']++;
  }

  async #correct(cluster: number, count: number): Promise<void> {
    await this.file.refcounts.set(cluster, count);
    if (count > 0) return;
    const last = this.#freed.at(-1);
    if (last?.end === cluster) last.end++;
    else this.#freed.push({ first: cluster, end: cluster + 1 });
  }

  async #unreadable(index: number, from: number, to: number): Promise<void> {
    const { file, tally } = this;
    const { offset, isAligned } = file.refcounts.block(index);
    const where = `Refblock offset 0x${hexOffset(offset)} unaligned (reftable index: ${alternateHex(index)})`;
    if (!isAligned) await file.signalCorruption(where);
    for (let cluster = from; cluster < to; cluster++) {
      file.say(`Can't get refcount for cluster ${cluster}: Input/output error`);
      tally.checkErrors++;
    }
  }

  /** Gives the space of freed clusters back; only after their refcounts are in the file. */
  async #release(): Promise<void> {
    const { store, clusterSize, source } = this.file;
    for (const { first, end } of this.#freed) {
      const offset = first * clusterSize;
      const stop = Math.min(end * clusterSize, source.size);
      if (stop > offset) await store.zero(offset, stop - offset);
    }
  }
}
