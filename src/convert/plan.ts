/**
 * The plan: which guest ranges are to be copied, in what portions.
 *
 * The source's extents are cut into *runs*. A data run is read, prepared and placed as one; its ends lie on the
 * target's grid, so that each of the target's units (clusters, grains) belongs to one run and no two writes meet in
 * one. Runs also end on multiples of the run size, which keeps them aligned. A zero run is as long as the zeros are.
 *
 * What the source shows through from its own backing file is left out where the target has a backing file too.
 *
 * Short gaps between data are read along with it: asking the storage once for 256 KiB with holes is cheaper than many
 * times for 4 KiB, and the zero scan finds the holes again.
 */
import { roundDown, roundUp } from '../bytes.js';
import type { Extent, Image } from '../image/image.js';

export interface Run {
  kind: 'data' | 'zero';
  /** Guest bytes. */
  offset: number;
  length: number;
  /** Bytes of it that the source says are data. */
  data: number;
  /** For data: as `PreparedRun.extentStarts`. */
  extentStarts?: readonly number[];
  /** For data: as `PreparedRun.extentEnd`. */
  extentEnd?: number;
}

/** What is to be copied. */
export interface StatusRules {
  /** Zeros are copied like data (-S 0). */
  zeroIsData: boolean;
  /** The target's backing file, which shows what is not copied. */
  targetBacking: { size: number } | null;
}

export interface PlanOptions extends StatusRules {
  /** Ends of runs are multiples of it; bytes. */
  unit: number;
  /** Largest data run in bytes; a multiple of `unit`. */
  runSize: number;
}

/** A gap of at least this many bytes ends a data run. */
const GAP = 64 * 1024;

type Status = 'data' | 'zero' | 'skip';

interface Stretch {
  status: Status;
  end: number;
}

export class Plan {
  /** Everything before it has been handed out. */
  #position = 0;
  /** What is known ahead of #position: neighbours differ in status, ends ascend. */
  #ahead: Stretch[] = [];
  /** Index of the first of them that ends behind #position. */
  #head = 0;
  /** Where the source's data extents begin: the last one before #position, and those ahead. */
  #starts: number[] = [];
  /** Index of the first of them that still counts. */
  #firstStart = 0;
  #lastExtent: Extent | null = null;

  constructor(
    private readonly source: Image,
    private readonly options: PlanOptions,
  ) {}

  /** Guest bytes planned so far. */
  get position(): number {
    return this.#position;
  }

  /** The next run in ascending order; null at the end of the disk. */
  async next(): Promise<Run | null> {
    for (;;) {
      const { size } = this.source;
      const start = this.#position;
      if (start >= size) return null;
      const head = await this.#stretchAt(start);
      // An answer may end anywhere; only where the status changes does it matter.
      while (head.end < Math.min(size, start + this.options.unit) && this.#ahead.at(-1) === head)
        await this.#ask(head.end);
      if (head.status === 'data') return this.#dataRun(start);
      // Without data: up to the last grid line before the status changes, if there is one.
      const end = head.end >= size ? size : roundDown(head.end, this.options.unit);
      if (end <= start) return this.#dataRun(start);
      this.#advance(end);
      if (head.status === 'zero') return { kind: 'zero', offset: start, length: end - start, data: 0 };
    }
  }

  /** A data run from `start`, as far as data goes, at most to the next multiple of the run size. */
  async #dataRun(start: number): Promise<Run> {
    const { unit, runSize } = this.options;
    const limit = Math.min(this.source.size, roundDown(start, runSize) + runSize);
    let end = Math.min(limit, start + unit);
    let data = 0;
    for (let at = start; at < limit; ) {
      const stretch = await this.#stretchAt(at);
      const stretchEnd = Math.min(stretch.end, limit);
      if (stretch.status === 'data') {
        end = Math.min(limit, roundUp(stretchEnd, unit));
        data += stretchEnd - at;
      } else if (stretch.end - Math.max(at, end) >= Math.max(GAP, unit)) break;
      at = stretchEnd;
    }
    const extentStarts = this.#startsUpTo(end);
    const extentEnd = this.#extentEnd(end, extentStarts.length);
    this.#advance(end);
    return { kind: 'data', offset: start, length: end - start, data, extentStarts, extentEnd };
  }

  /** Where the data ends, as far as is known, that goes on behind `end`: at `end` if none does. */
  #extentEnd(end: number, passed: number): number {
    for (let index = this.#head; index < this.#ahead.length; index++) {
      const stretch = this.#ahead[index]!;
      if (stretch.end <= end) continue;
      if (stretch.status !== 'data') return end;
      const next = this.#starts[this.#firstStart + (passed > 0 ? 1 : 0)];
      return next === undefined ? stretch.end : Math.min(next, stretch.end);
    }
    return end;
  }

  /** Starts before `end`, from the last extent's on that was not yet left behind. */
  #startsUpTo(end: number): number[] {
    const first = this.#firstStart;
    let after = first;
    while (after < this.#starts.length && this.#starts[after]! < end) after++;
    // The last one stays: its extent may go on behind `end`.
    this.#firstStart = Math.max(first, after - 1);
    return this.#starts.slice(first, after);
  }

  /** The stretch that `at` lies in, with as much of its end as one question tells. */
  async #stretchAt(at: number): Promise<Stretch> {
    for (let index = this.#head; index < this.#ahead.length; index++) {
      const stretch = this.#ahead[index]!;
      if (stretch.end > at) return stretch;
    }
    await this.#ask(at);
    return this.#stretchAt(at);
  }

  async #ask(at: number): Promise<void> {
    this.#forgetPassed();
    for (const extent of await this.source.extents(at, this.source.size - at)) this.#append(extent);
  }

  #append(extent: Extent): void {
    const end = extent.start + extent.length;
    const last = this.#ahead.at(-1);
    const status = statusOf(extent, this.options);
    if (status === 'data' && !continues(this.#lastExtent, extent)) this.#starts.push(extent.start);
    this.#lastExtent = extent;
    if (last !== undefined && last.status === status) last.end = end;
    else this.#ahead.push({ status, end });
  }

  #advance(to: number): void {
    this.#position = to;
    while (this.#head < this.#ahead.length && this.#ahead[this.#head]!.end <= to) this.#head++;
  }

  /** Once an answer of the source, not once a run: an answer may hold thousands of extents. */
  #forgetPassed(): void {
    this.#ahead = this.#ahead.slice(this.#head);
    this.#head = 0;
    this.#starts = this.#starts.slice(this.#firstStart);
    this.#firstStart = 0;
  }
}

/** What becomes of an extent of the source. */
export function statusOf(extent: Extent, { targetBacking, zeroIsData }: StatusRules): Status {
  if (targetBacking !== null) {
    if (extent.depth > 0) return 'skip';
    // Beyond the end of its backing file the target reads as zeros anyway. Unallocated with nothing beneath is zeros.
    if (extent.kind !== 'data' && extent.start >= targetBacking.size) return 'skip';
  }
  return extent.kind === 'data' || zeroIsData ? 'data' : 'zero';
}

/** One extent told in two answers. */
function continues(before: Extent | null, extent: Extent): boolean {
  if (before === null || before.kind !== extent.kind || before.depth !== extent.depth) return false;
  if (before.start + before.length !== extent.start || before.compressed !== extent.compressed) return false;
  return before.hostOffset === null || before.hostOffset + before.length === extent.hostOffset;
}
