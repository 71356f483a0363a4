/**
 * Compressed units that the target takes over as they are.
 *
 * Compressing costs ten times what decompressing does; where source and target pack their units alike, a unit's stream
 * is copied. It has been decompressed all the same: what is damaged must not pass, and zeros are not stored.
 */

import type { Image } from '../image/image.js';
import { fits } from '../image/packing.js';
import type { Kernels, UnitEncoding } from '../kernels/kernels.js';
import type { Loan } from '../loan.js';

/** Whether an image's streams can go to a target of this encoding. */
export function passesStreams(source: Image, encoding: UnitEncoding | null): boolean {
  return encoding?.takesStreams === true && source.readPacked !== undefined && fits(source.packing, encoding);
}

/** The streams of one run. */
export class RunStreams {
  readonly #lengths = new Map<number, number>();
  /** Made for the first stream; that of unit i begins at i units. */
  #buffer: Loan | null = null;

  /** @param offset of the run, a multiple of the encoding's unit; guest bytes, as `length` */
  constructor(
    private readonly kernels: Kernels,
    private readonly offset: number,
    private readonly length: number,
    private readonly encoding: UnitEncoding,
  ) {}

  /** Keeps a copy; for `Image.readPacked`. */
  readonly take = (at: number, stream: Uint8Array): void => {
    const start = at - this.offset;
    const { unit, limit } = this.encoding;
    if (start % unit !== 0 || stream.length > Math.min(limit, this.length - start)) return;
    this.#buffer ??= this.kernels.buffer(this.length);
    this.#buffer.bytes.set(stream, start);
    this.#lengths.set(start / unit, stream.length);
  };

  /** The stream of a unit, counted from the run's start; null: there is none. */
  of(index: number): Uint8Array | null {
    const length = this.#lengths.get(index);
    if (length === undefined) return null;
    const start = index * this.encoding.unit;
    return this.#buffer!.bytes.subarray(start, start + length);
  }

  /** Gives the memory back, once everything is written. */
  release(): void {
    this.#buffer?.release();
    this.#buffer = null;
    this.#lengths.clear();
  }
}
