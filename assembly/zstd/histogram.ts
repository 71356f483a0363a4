/**
 * How often each byte occurs. Four partial histograms take turns: with a single one, equal neighbours would wait for
 * the counter that was stored a moment ago.
 */
import { HISTOGRAM } from './workspace';

const PART: usize = 1024;

@inline
function increase(at: usize): void {
  store<u32>(at, load<u32>(at) + 1);
}

/** Counts `length` bytes at `source` into `HISTOGRAM` (256 u32). */
export function countBytes(source: usize, length: usize): void {
  memory.fill(HISTOGRAM, 0, 4 * PART);
  let at = source;
  const end = source + length;
  for (const stop = source + (length & ~7); at < stop; at += 8) {
    const low = load<u32>(at);
    const high = load<u32>(at, 4);
    increase(HISTOGRAM + ((low & 0xff) << 2));
    increase(HISTOGRAM + PART + (((low >> 8) & 0xff) << 2));
    increase(HISTOGRAM + 2 * PART + (((low >> 16) & 0xff) << 2));
    increase(HISTOGRAM + 3 * PART + ((low >> 24) << 2));
    increase(HISTOGRAM + ((high & 0xff) << 2));
    increase(HISTOGRAM + PART + (((high >> 8) & 0xff) << 2));
    increase(HISTOGRAM + 2 * PART + (((high >> 16) & 0xff) << 2));
    increase(HISTOGRAM + 3 * PART + ((high >> 24) << 2));
  }
  for (; at < end; at++) increase(HISTOGRAM + (<usize>load<u8>(at) << 2));
  for (let counter = HISTOGRAM; counter < HISTOGRAM + PART; counter += 16) {
    const first = i32x4.add(v128.load(counter), v128.load(counter + PART));
    const second = i32x4.add(v128.load(counter + 2 * PART), v128.load(counter + 3 * PART));
    v128.store(counter, i32x4.add(first, second));
  }
}
