/** `compare`: do two disks hold the same bytes? */
import { ImageError } from '../errors.js';
import type { Image } from '../image/image.js';
import type { Kernels } from '../kernels/kernels.js';
import { cacheMode } from './cache-modes.js';
import { type CompareStep, compareSteps, type Disk } from './compare-steps.js';
import { firstDifference, firstNonZero } from './differences.js';
import { inOrder } from './in-order.js';
import { ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import type { ImageName, OpenSettings, Trust } from './settings.js';

export interface CompareRequest extends Trust {
  first: ImageName;
  second: ImageName;
  /** Cache mode of both images, as the user spells it. */
  cache: string;
  share: boolean;
  /** Sizes and the status of every byte have to be the same too. */
  strict: boolean;
}

export interface CompareEvents {
  /** Both images are open. */
  onStart(): void;
  /** Bytes of the larger disk that have been looked at, of all. */
  onProgress(done: number, total: number): void;
  /** The disks are the same up to the end of the shorter one. */
  onSizeMismatch(): void;
}

/** `offset`: the first byte of the sector that differs, or from which on the status does. */
export type Comparison =
  | { kind: 'identical' }
  | { kind: 'different'; what: 'size' }
  | { kind: 'different'; what: 'status' | 'content'; offset: number }
  | { kind: 'failed'; stage: 'open' | 'status' | 'read'; error: ImageError };

/** Chunks that are being read at a time, and bytes of one. */
const IN_FLIGHT = 8;
const CHUNK = 256 * 1024;

const SECTOR = 512;

/** Compares the disks of two images. Throws `ImageError` where one cannot be opened or read. */
export function compareImages(platform: Platform, request: CompareRequest, events: CompareEvents): Promise<Comparison> {
  return ImageOpener.use(platform, request, async (opener) => {
    let disks: [Disk, Disk];
    try {
      disks = await openBoth(opener, request);
    } catch (error) {
      if (error instanceof ImageError) return { kind: 'failed', stage: 'open', error };
      throw error;
    }
    events.onStart();
    const [first, second] = disks;
    if (request.strict && first.image.size !== second.image.size) return { kind: 'different', what: 'size' };
    return new Comparer(disks, request.strict, platform.kernels, events).run();
  });
}

async function openBoth(opener: ImageOpener, request: CompareRequest): Promise<[Disk, Disk]> {
  const cache = cacheMode('source cache option', request.cache);
  const settings: OpenSettings = { cache, share: request.share, chain: true, content: true };
  const open = async (what: ImageName) => {
    const image: Image = await opener.disk(await opener.open(what, settings));
    return { image, name: what.name };
  };
  return [await open(request.first), await open(request.second)];
}

class Comparer {
  readonly #total: number;

  constructor(
    private readonly disks: readonly [Disk, Disk],
    private readonly isStrict: boolean,
    private readonly kernels: Kernels,
    private readonly events: CompareEvents,
  ) {
    this.#total = Math.max(disks[0].image.size, disks[1].image.size);
  }

  async run(): Promise<Comparison> {
    let result: Comparison = { kind: 'identical' };
    const steps = compareSteps(this.disks, this.isStrict, CHUNK);
    const perform = (step: CompareStep) => this.#perform(step);
    await inOrder(steps, IN_FLIGHT, perform, (found, step) => {
      if (found !== null) result = found;
      else this.#passed(step);
      return found === null;
    });
    if (result.kind === 'identical') this.events.onProgress(this.#total, this.#total);
    return result;
  }

  #passed(step: CompareStep): void {
    if (step.kind === 'compare' || step.kind === 'blank')
      this.events.onProgress(step.offset + step.length, this.#total);
    else if (step.kind === 'shorter ends') this.events.onSizeMismatch();
  }

  async #perform(step: CompareStep): Promise<Comparison | null> {
    switch (step.kind) {
      case 'compare':
        return this.#compare(step.offset, step.length);
      case 'blank':
        return this.#blank(step);
      case 'status':
        return { kind: 'different', what: 'status', offset: step.offset };
      case 'failure':
        return { kind: 'failed', stage: 'status', error: step.error };
      default:
        return null;
    }
  }

  #compare(offset: number, length: number): Promise<Comparison | null> {
    const [first, second] = this.disks;
    return this.#reading(length, (a) =>
      this.#reading(length, async (b) => {
        const failure = (await readInto(first, offset, a)) ?? (await readInto(second, offset, b));
        return failure ?? contentAt(offset, firstDifference(a, b));
      }),
    );
  }

  #blank({ disk, offset, length }: CompareStep & { kind: 'blank' }): Promise<Comparison | null> {
    return this.#reading(length, async (bytes) => {
      const failure = await readInto(this.disks[disk], offset, bytes);
      return failure ?? contentAt(offset, firstNonZero(bytes));
    });
  }

  async #reading<T>(length: number, work: (bytes: Uint8Array) => Promise<T>): Promise<T> {
    const buffer = this.kernels.buffer(length);
    try {
      return await work(buffer.bytes);
    } finally {
      buffer.release();
    }
  }
}

async function readInto({ image, name }: Disk, offset: number, into: Uint8Array): Promise<Comparison | null> {
  try {
    await image.read(offset, into);
    return null;
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return {
      kind: 'failed',
      stage: 'read',
      error: error.prefixed(`Error while reading offset ${offset} of ${name}: `),
    };
  }
}

/** `found` counts from `offset`, the beginning of a sector; null: nothing. */
function contentAt(offset: number, found: number | null): Comparison | null {
  if (found === null) return null;
  return { kind: 'different', what: 'content', offset: offset + found - (found % SECTOR) };
}
