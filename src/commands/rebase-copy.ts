/** Copying into an image what its next backing file does not show as the one before did. */
import { roundDown, roundUp } from '../bytes.js';
import { packRun } from '../convert/prepare.js';
import { ImageError, throwIfAborted } from '../errors.js';
import { ExtentCursor } from '../image/extent-cursor.js';
import type { EditableImage, Image } from '../image/image.js';
import type { Kernels } from '../kernels/kernels.js';
import type { Loan } from '../loan.js';
import { firstDifference } from './differences.js';
import { inOrder } from './in-order.js';

/** Disks are as large as the target's. */
export interface DifferenceCopy {
  target: EditableImage;
  /** What shows through until now, and from the next moment on. */
  before: Image;
  after: Image;
  /** Bytes of the disk that shows through until now; what lies beyond is zeros. */
  sizeBefore: number;
  /**
   * Where `after` is further down in the chain of `before`: what lies between, and the bytes over which its status tells
   * all; null: it is not.
   */
  between: { layers: Image; size: number } | null;
  compress: boolean;
  signal?: AbortSignal | undefined;
  onProgress(done: number, total: number): void;
}

/** Guest bytes [offset, offset + length). */
interface Range {
  offset: number;
  length: number;
}

/** A stretch that is to be copied. */
interface Difference extends Range {
  bytes: Uint8Array;
}

/** Chunks that are being compared at a time, and bytes of one. */
const IN_FLIGHT = 8;
const CHUNK = 2 * 1024 * 1024;

/** Copies; finishes nothing. Throws `ImageError`. */
export async function copyDifferences(kernels: Kernels, copy: DifferenceCopy): Promise<void> {
  const held = new Set<Loan>();
  const buffer = (length: number) => {
    const memory = kernels.buffer(length);
    held.add(memory);
    return memory;
  };
  const release = (memory: Loan) => {
    held.delete(memory);
    memory.release();
  };
  const { target, signal, onProgress } = copy;
  const compare = async ({ offset, length }: Range) => {
    throwIfAborted(signal);
    const [before, after] = [buffer(length), buffer(length)];
    await Promise.all([
      readInto(copy.before, offset, before.bytes, 'old'),
      readInto(copy.after, offset, after.bytes, 'new'),
    ]);
    const differences = findDifferences(offset, before.bytes, after.bytes, unitOf(copy));
    release(after);
    return { differences, before };
  };
  try {
    await inOrder(chunks(copy), IN_FLIGHT, compare, async ({ differences, before }, { offset, length }) => {
      for (const difference of differences) await store(kernels, copy, difference);
      release(before);
      onProgress(offset + length, target.size);
      return true;
    });
  } finally {
    for (const memory of held) memory.release();
  }
}

/** What the target does not hold itself and what may differ, front to back. */
async function* chunks(copy: DifferenceCopy): AsyncGenerator<Range> {
  const { target, before, after, between } = copy;
  const unit = unitOf(copy);
  const own = new ExtentCursor(target);
  const mayDiffer = new ChangeCursor(before, after, between);
  for (let offset = 0; offset < target.size; ) {
    const { start, length, kind } = await own.at(offset);
    const end = start + length;
    if (kind !== 'unallocated') {
      offset = end;
      continue;
    }
    const same = await mayDiffer.sameUntil(offset);
    const next = same >= end ? end : roundDown(same, unit);
    if (next <= offset) {
      const stop = Math.min(end, roundDown(offset, CHUNK) + CHUNK);
      yield { offset, length: stop - offset };
      offset = stop;
    } else {
      offset = next;
    }
  }
}

/** What is known to be the same without reading it. */
class ChangeCursor {
  readonly #before: ExtentCursor;
  readonly #after: ExtentCursor;
  readonly #between: ExtentCursor | null;
  readonly #betweenSize: number;

  constructor(before: Image, after: Image, between: DifferenceCopy['between']) {
    this.#before = new ExtentCursor(before);
    this.#after = new ExtentCursor(after);
    this.#between = between === null ? null : new ExtentCursor(between.layers);
    this.#betweenSize = between?.size ?? 0;
  }

  /** Up to where, from `offset` on, the disks are known to be the same; `offset`: they may differ at once. */
  async sameUntil(offset: number): Promise<number> {
    if (this.#between !== null && offset < this.#betweenSize) {
      const { start, length, kind } = await this.#between.at(offset);
      return kind === 'unallocated' ? Math.min(start + length, this.#betweenSize) : offset;
    }
    const before = await this.#before.at(offset);
    const after = await this.#after.at(offset);
    if (before.kind === 'data' || after.kind === 'data') return offset;
    return Math.min(before.start + before.length, after.start + after.length);
  }
}

async function readInto(disk: Image, offset: number, into: Uint8Array, which: 'old' | 'new'): Promise<void> {
  try {
    await disk.read(offset, into);
  } catch (error) {
    throw error instanceof ImageError && error.code !== 'aborted'
      ? new ImageError(error.code, `error while reading from ${which} backing file`, { offset, cause: error })
      : error;
  }
}

/** Neighbouring units that differ are one stretch. `offset` may lie within a unit. */
function findDifferences(offset: number, before: Uint8Array, after: Uint8Array, unit: number): Difference[] {
  const found: Difference[] = [];
  const end = offset + before.length;
  for (let at = offset; at < end; ) {
    const next = Math.min(end, roundDown(at, unit) + unit);
    const [from, to] = [at - offset, next - offset];
    const last = found.at(-1);
    if (firstDifference(before.subarray(from, to), after.subarray(from, to)) !== null) {
      if (last !== undefined && last.offset + last.length === at) last.length += next - at;
      else found.push({ offset: at, length: next - at, bytes: before });
    }
    at = next;
  }
  for (const difference of found) {
    const from = difference.offset - offset;
    difference.bytes = before.subarray(from, from + difference.length);
  }
  return found;
}

/** What is compared and copied as one: the smallest piece that takes space of its own; bytes. */
function unitOf({ target, compress }: DifferenceCopy): number {
  return compress ? target.clusterSize : (target.subclusterSize ?? target.clusterSize);
}

/** Beyond the end of the old backing file there were zeros: they need no space. */
async function store(kernels: Kernels, copy: DifferenceCopy, { offset, length, bytes }: Difference): Promise<void> {
  const { target, sizeBefore } = copy;
  const dataEnd = Math.min(Math.max(offset, roundUp(sizeBefore, target.clusterSize)), offset + length);
  try {
    if (dataEnd > offset) await storeData(kernels, copy, offset, bytes.subarray(0, dataEnd - offset));
    if (dataEnd < offset + length) await target.zero(dataEnd, offset + length - dataEnd);
  } catch (error) {
    throw error instanceof ImageError && error.code !== 'aborted'
      ? error.prefixed('Error while writing to COW image: ')
      : error;
  }
}

/** Whole clusters are compressed if that is asked for. */
async function storeData(kernels: Kernels, copy: DifferenceCopy, offset: number, bytes: Uint8Array): Promise<void> {
  const { target, compress } = copy;
  const end = offset + bytes.length;
  const isWhole = offset % target.clusterSize === 0 && (end % target.clusterSize === 0 || end === target.size);
  if (!compress || target.encoding === null || !isWhole) {
    await target.write(offset, bytes);
    return;
  }
  const write = await target.place(await packRun(kernels, offset, bytes, target.encoding, 0));
  await write?.();
}
