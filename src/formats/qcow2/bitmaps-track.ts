/**
 * Bitmaps of an image that is being changed.
 *
 * An automatic bitmap records every write, whoever makes it. So before the first change its entry is marked as being
 * in use (a crash then leaves it known to be inconsistent), what is written is noted in memory, and at the end the
 * notes are merged into the bitmap and the mark is taken away. The other bitmaps are left alone.
 */

import { lostBitmaps } from '../../image/bitmap-edit.js';
import type { BitmapStretch } from '../../image/image.js';
import { type Bitmap, bitmapStretches } from './bitmaps.js';
import type { BitmapStore } from './bitmaps-write.js';
import type { WritingParts } from './parts.js';

/** Bytes of notes for all bitmaps; a bitmap that needs more stays in use, which is to say: inconsistent. */
const NOTES_MEMORY = 64 * 1024 * 1024;

interface Notes {
  bitmap: Bitmap;
  /** One bit a granule, lowest first; null: too many. */
  bits: Uint8Array | null;
}

export class BitmapTracker {
  readonly #notes: Notes[] = [];
  #isStarted = false;
  #isPaused = false;

  constructor(
    private readonly parts: WritingParts,
    private readonly store: BitmapStore,
    bitmaps: readonly Bitmap[],
  ) {
    let memory = NOTES_MEMORY;
    for (const bitmap of bitmaps) {
      if (!bitmap.auto || bitmap.inUse) continue;
      const bytes = bitsLength(parts.header.size, bitmap);
      const bits = bytes <= memory ? new Uint8Array(bytes) : null;
      if (bits !== null) memory -= bytes;
      this.#notes.push({ bitmap, bits });
    }
  }

  /** Before the first change. */
  async start(): Promise<void> {
    this.#isStarted = true;
    const affected = this.#notes.map(({ bitmap }) => bitmap);
    const marked = await this.store.markInUse(affected);
    for (const [index, bitmap] of marked.entries()) this.#notes[index]!.bitmap = bitmap;
  }

  /** Runs `work`, whose writes are not the guest's: bitmaps do not record them. */
  async unnoted(work: () => Promise<void>): Promise<void> {
    this.#isPaused = true;
    try {
      await work();
    } finally {
      this.#isPaused = false;
    }
  }

  /** Guest bytes [start, end) change. */
  note(start: number, end: number): void {
    if (this.#isPaused) return;
    for (const { bitmap, bits } of this.#notes) if (bits !== null) setBits(bits, bitmap.granularity, start, end);
  }

  /** Merges the notes into the bitmaps; the store's `finish` makes that valid. Throws `LostBitmaps`. */
  async finish(): Promise<void> {
    if (!this.#isStarted) return;
    try {
      for (const { bitmap, bits } of this.#notes) {
        if (bits === null) continue;
        await this.store.replace(bitmap, merged(this.#contentOf(bitmap), bits, bitmap.granularity));
      }
    } catch (error) {
      throw lostBitmaps(error);
    }
  }

  /**
   * The disk had `before` bytes and has the header's size now: all bitmaps are stored anew, cut off or continued with
   * zeros, and the directory with them. False if there are none.
   */
  async resize(before: number): Promise<boolean> {
    const { header } = this.parts;
    for (const bitmap of [...this.store.all]) {
      const content = this.#contentOf(bitmap, { ...header, size: before });
      const anew = resized(content, bitmap, before, header.size);
      const stored = await this.store.replace(bitmap, anew, bitmap, bitmap.inUse);
      const notes = this.#notes.find((each) => each.bitmap === bitmap);
      if (notes === undefined) continue;
      notes.bitmap = stored;
      if (notes.bits !== null) notes.bits = withLength(notes.bits, bitsLength(header.size, bitmap));
    }
    return this.store.finish();
  }

  #contentOf(bitmap: Bitmap, header = this.parts.header): AsyncIterable<BitmapStretch> {
    return bitmapStretches(this.parts.store, header, bitmap);
  }
}

/** Bytes of the bits of a disk of `size` bytes. */
function bitsLength(size: number, { granularity }: Bitmap): number {
  return Math.ceil(Math.ceil(size / granularity) / 8);
}

function withLength(bits: Uint8Array, length: number): Uint8Array {
  const copy = new Uint8Array(length);
  copy.set(bits.subarray(0, length));
  return copy;
}

/** The content of a bitmap of a disk of `before` bytes as that of one of `after` bytes. */
async function* resized(
  content: AsyncIterable<BitmapStretch>,
  bitmap: Bitmap,
  before: number,
  after: number,
): AsyncGenerator<BitmapStretch> {
  let reached = 0;
  for await (const { start, length, bits } of content) {
    const isLast = start + length === before;
    const kept = Math.min(length, after - start);
    if (kept <= 0) return;
    reached = start + kept;
    if (!isLast && kept === length) yield { start, length, bits };
    else {
      // The last byte of bits may go on behind the old end, or end before it.
      const part = partOf(bits, Math.ceil(kept / bitmap.granularity));
      const byte = 8 * bitmap.granularity;
      reached = Math.min(after, start + Math.ceil(kept / byte) * byte);
      yield { start, length: reached - start, bits: part };
    }
  }
  if (reached < after) yield { start: reached, length: after - reached, bits: 'zeros' };
}

/** The first `count` bits, in whole bytes. */
function partOf(bits: BitmapStretch['bits'], count: number): Uint8Array {
  const part = new Uint8Array(Math.ceil(count / 8));
  if (bits === 'ones') part.fill(0xff);
  else if (bits !== 'zeros') part.set(bits.subarray(0, part.length));
  if (count % 8 !== 0) part[part.length - 1]! &= (1 << (count % 8)) - 1;
  return part;
}

/** Sets the bits of the granules that the bytes [start, end) touch; bit 0 is the granule at byte 0. */
export function setBits(bits: Uint8Array, granularity: number, start: number, end: number): void {
  const last = Math.ceil(end / granularity);
  for (let bit = Math.floor(start / granularity); bit < last; bit++) {
    if (bit % 8 === 0 && last - bit >= 8) {
      const whole = Math.floor((last - bit) / 8);
      bits.fill(0xff, bit / 8, bit / 8 + whole);
      bit += 8 * whole - 1;
    } else bits[bit >> 3]! |= 1 << (bit & 7);
  }
}

async function* merged(
  content: AsyncIterable<BitmapStretch>,
  notes: Uint8Array,
  granularity: number,
): AsyncGenerator<BitmapStretch> {
  for await (const { start, length, bits } of content) {
    const first = start / granularity / 8;
    const added = notes.slice(first, Math.ceil((start + length) / granularity / 8));
    if (bits === 'ones') yield { start, length, bits };
    else {
      if (bits !== 'zeros') for (let at = 0; at < added.length; at++) added[at]! |= bits[at] ?? 0;
      yield { start, length, bits: added };
    }
  }
}
