/** Is a new image the disk that it was made of? */
import { throwIfAborted } from '../errors.js';
import { ExtentCursor } from '../image/extent-cursor.js';
import type { Image } from '../image/image.js';
import type { Kernels } from '../kernels/kernels.js';
import type { Loan } from '../loan.js';
import { firstDifference, firstNonZero } from './differences.js';
import { inOrder } from './in-order.js';

export interface VerifyOptions {
  /** The original's content from front to back, valid during the call only. */
  onBytes?(bytes: Uint8Array): void;
  /** Bytes of the original that have been looked at, of all. */
  onProgress?(done: number, total: number): void;
  signal?: AbortSignal | undefined;
}

/** Bytes that are compared at a time, and how many such steps are under way. */
const CHUNK = 1024 * 1024;
const IN_FLIGHT = 3;

/** A range of both disks. */
interface Step {
  offset: number;
  length: number;
  /** Both are known to hold nothing but zeros there. */
  blank: boolean;
}

/** What became of a step: the original's bytes, null where they are zeros. */
interface Checked {
  buffer: Loan | null;
  /** Offset of the first byte that differs; null: none does. */
  difference: number | null;
}

/**
 * The first byte at which `copy` differs from `original`, null if none does. What a copy has beyond the original's end
 * must be zeros: some formats round the disk up. What both know to be zeros is not read.
 */
export async function verifyDisk(
  original: Image,
  copy: Image,
  kernels: Kernels,
  options: VerifyOptions,
): Promise<number | null> {
  const { size } = original;
  const zeros = new Uint8Array(CHUNK);
  let found: number | null = null;
  const check = (step: Step) => checkStep(original, copy, kernels, step);
  await inOrder(
    steps(original, copy, options.signal),
    IN_FLIGHT,
    check,
    ({ buffer, difference }, { offset, length }) => {
      found = difference;
      if (found === null) {
        options.onBytes?.(buffer?.bytes ?? zeros.subarray(0, length));
        options.onProgress?.(offset + length, size);
      }
      buffer?.release();
      return found === null;
    },
  );
  if (found !== null) return found;
  return copy.size < size ? copy.size : firstBeyond(copy, size, zeros);
}

/** Milliseconds after which whoever wants to cancel is heard: what is in memory is compared without ever waiting. */
const BREATH_MS = 100;

async function* steps(original: Image, copy: Image, signal: AbortSignal | undefined): AsyncGenerator<Step> {
  const disks = [new Known(original), new Known(copy)] as const;
  let last = performance.now();
  for (let offset = 0; offset < original.size; offset += CHUNK) {
    if (performance.now() - last > BREATH_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      last = performance.now();
    }
    throwIfAborted(signal);
    const length = Math.min(CHUNK, original.size - offset);
    const blank = (await disks[0].isBlank(offset, length)) && (await disks[1].isBlank(offset, length));
    yield { offset, length, blank };
  }
}

async function checkStep(
  original: Image,
  copy: Image,
  kernels: Kernels,
  { offset, length, blank }: Step,
): Promise<Checked> {
  if (blank) return { buffer: null, difference: null };
  const buffer = kernels.buffer(length);
  const other = kernels.buffer(length);
  await Promise.all([original.read(offset, buffer.bytes), readPadded(copy, offset, other.bytes)]);
  const difference = firstDifference(buffer.bytes, other.bytes);
  other.release();
  return { buffer, difference: difference === null ? null : offset + difference };
}

/** What is known of a disk without reading it. */
class Known {
  readonly #cursor: ExtentCursor;

  constructor(private readonly disk: Image) {
    this.#cursor = new ExtentCursor(disk);
  }

  /** The range holds nothing but zeros for sure; what lies beyond the end does. */
  async isBlank(offset: number, length: number): Promise<boolean> {
    if (offset >= this.disk.size) return true;
    const extent = await this.#cursor.at(offset);
    return extent.kind !== 'data' && extent.start + extent.length >= Math.min(offset + length, this.disk.size);
  }
}

/** A disk that ends too early goes on with zeros; that it does is told in the end. */
async function readPadded(disk: Image, offset: number, into: Uint8Array): Promise<void> {
  const there = Math.max(0, Math.min(into.length, disk.size - offset));
  into.fill(0, there);
  if (there > 0) await disk.read(offset, into.subarray(0, there));
}

/** The first byte from `offset` on that is not zero; null: none. */
async function firstBeyond(disk: Image, offset: number, buffer: Uint8Array): Promise<number | null> {
  for (let at = offset; at < disk.size; at += buffer.length) {
    const bytes = buffer.subarray(0, Math.min(buffer.length, disk.size - at));
    await disk.read(at, bytes);
    const found = firstNonZero(bytes);
    if (found !== null) return at + found;
  }
  return null;
}
