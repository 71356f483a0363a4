/** Contents of bitmaps that are made of others, stretch by stretch. */
import type { BitmapStretch } from '../../image/image.js';
import { setBits } from './bitmaps-track.js';

/** What a bitmap holds; may be asked for again and again. */
export type BitmapContent = () => AsyncIterable<BitmapStretch>;

/** Bytes of bits in a stretch that is made here. */
const STRETCH = 64 * 1024;

/** Guest bytes [start, end) that are marked. */
interface Range {
  start: number;
  end: number;
}

/** Nothing is marked of a disk of `size` bytes. */
export async function* nothingMarked(size: number, granularity: number): AsyncGenerator<BitmapStretch> {
  const most = STRETCH * 8 * granularity;
  for (let start = 0; start < size; start += most) yield { start, length: Math.min(most, size - start), bits: 'zeros' };
}

/** What `content` marks, and whatever `ranges` (ascending) touch. */
export async function* withRanges(
  content: AsyncIterable<BitmapStretch>,
  granularity: number,
  ranges: AsyncIterable<Range>,
): AsyncGenerator<BitmapStretch> {
  const iterator = ranges[Symbol.asyncIterator]();
  let next = await iterator.next();
  for await (const stretch of content) {
    const { start, length, bits } = stretch;
    const end = start + length;
    const merged = bits === 'ones' ? null : new Uint8Array(Math.ceil(Math.ceil(length / granularity) / 8));
    if (merged !== null && typeof bits !== 'string') merged.set(bits.subarray(0, merged.length));
    let isChanged = false;
    while (!next.done && next.value.start < end) {
      const range = next.value;
      // A granule at the border may have been touched from the other side.
      const [from, to] = [Math.max(range.start, start), Math.min(range.end, end)];
      if (merged !== null && to > from) {
        setBits(merged, granularity, from - start, to - start);
        isChanged = true;
      }
      if (range.end > end) break;
      next = await iterator.next();
    }
    yield merged !== null && isChanged ? { start, length, bits: merged } : stretch;
  }
}

/** What a bitmap of a disk of `size` bytes marks, ascending. */
export async function* markedRanges(content: AsyncIterable<BitmapStretch>, granularity: number): AsyncGenerator<Range> {
  for await (const { start, length, bits } of content) {
    const end = start + length;
    if (bits === 'ones') yield { start, end };
    if (typeof bits === 'string') continue;
    const count = Math.ceil(length / granularity);
    for (let bit = 0; bit < count; ) {
      if (bit % 8 === 0 && bits[bit >> 3] === 0) {
        bit += 8;
        continue;
      }
      const first = bit;
      while (bit < count && isSet(bits, bit)) bit++;
      if (bit > first) yield { start: start + first * granularity, end: Math.min(end, start + bit * granularity) };
      else bit++;
    }
  }
}

function isSet(bits: Uint8Array, bit: number): boolean {
  return ((bits[bit >> 3]! >> (bit & 7)) & 1) === 1;
}
