/** What a survey says of the disk as a whole. */
import type { Survey } from '../../src/platform/web/index.js';

/** Shares of the whole disk, as far as it is known. */
export function sharesOf({ known, data, zero, compressed }: Survey): {
  data: number;
  zero: number;
  compressed: number;
} {
  const mean = (cells: Uint8Array) =>
    known === 0 ? 0 : cells.subarray(0, known).reduce((sum, cell) => sum + cell, 0) / (255 * known);
  return { data: mean(data), zero: mean(zero), compressed: mean(compressed) };
}
