/** What has to be read to compare two disks: nothing where both are known to hold zeros. */
import { ImageError } from '../errors.js';
import { ExtentCursor } from '../image/extent-cursor.js';
import type { Extent, Image } from '../image/image.js';

export interface Disk {
  image: Image;
  /** As the user gave it. */
  name: string;
}

/** Offsets and lengths are bytes of the disks. */
export type CompareStep =
  /** Both may hold data. */
  | { kind: 'compare'; offset: number; length: number }
  /** Only one may hold data; it has to be zeros. */
  | { kind: 'blank'; disk: 0 | 1; offset: number; length: number }
  /** In strict mode: the status differs. */
  | { kind: 'status'; offset: number }
  /** Only one disk goes on. */
  | { kind: 'shorter ends' }
  /** The status could not be read. */
  | { kind: 'failure'; error: ImageError };

/** The steps in the order of the disk; `chunk` is the longest step that reads. */
export async function* compareSteps(
  disks: readonly [Disk, Disk],
  isStrict: boolean,
  chunk: number,
): AsyncGenerator<CompareStep> {
  try {
    const common = Math.min(disks[0].image.size, disks[1].image.size);
    yield* commonSteps(disks, common, isStrict, chunk);
    if (disks[0].image.size === disks[1].image.size) return;
    yield { kind: 'shorter ends' };
    yield* restSteps(disks, common, chunk);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    yield { kind: 'failure', error };
  }
}

async function* commonSteps(
  disks: readonly [Disk, Disk],
  end: number,
  isStrict: boolean,
  chunk: number,
): AsyncGenerator<CompareStep> {
  const cursors = [new DiskCursor(disks[0]), new DiskCursor(disks[1])] as const;
  for (let offset = 0; offset < end; ) {
    const first = await cursors[0].at(offset);
    const second = await cursors[1].at(offset);
    if (isStrict && !hasSameStatus(first, second)) {
      yield { kind: 'status', offset };
      return;
    }
    const stop = Math.min(end, first.start + first.length, second.start + second.length);
    const isData = [first.kind === 'data', second.kind === 'data'];
    if (isData[0] && isData[1]) yield* cut(offset, stop, chunk, (piece) => ({ kind: 'compare', ...piece }));
    else if (isData[0] || isData[1]) {
      const disk = isData[0] ? 0 : 1;
      yield* cut(offset, stop, chunk, (piece) => ({ kind: 'blank', disk, ...piece }));
    }
    offset = stop;
  }
}

/** What the longer disk has beyond the end of the other one. */
async function* restSteps(disks: readonly [Disk, Disk], from: number, chunk: number): AsyncGenerator<CompareStep> {
  const disk = disks[0].image.size > from ? 0 : 1;
  const cursor = new DiskCursor(disks[disk]);
  for (let offset = from; offset < disks[disk].image.size; ) {
    const { start, length, kind } = await cursor.at(offset);
    if (kind === 'data') yield* cut(offset, start + length, chunk, (piece) => ({ kind: 'blank', disk, ...piece }));
    offset = start + length;
  }
}

function* cut(
  from: number,
  to: number,
  chunk: number,
  step: (piece: { offset: number; length: number }) => CompareStep,
): Generator<CompareStep> {
  for (let offset = from; offset < to; offset += chunk) yield step({ offset, length: Math.min(chunk, to - offset) });
}

function hasSameStatus(first: Extent, second: Extent): boolean {
  return (
    first.kind === second.kind &&
    first.compressed === second.compressed &&
    (first.hostOffset === null) === (second.hostOffset === null)
  );
}

/** As `ExtentCursor`, with an error that names the disk. */
class DiskCursor {
  readonly #cursor: ExtentCursor;

  constructor(private readonly disk: Disk) {
    this.#cursor = new ExtentCursor(disk.image);
  }

  async at(offset: number): Promise<Extent> {
    try {
      return await this.#cursor.at(offset);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      throw new ImageError(error.code, `Sector allocation test failed for ${this.disk.name}`, { cause: error });
    }
  }
}
