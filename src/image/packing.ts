/** Whether compressed units of one image can be taken over by another as they are. */
import type { Codec } from '../kernels/kernels.js';
import type { Image } from './image.js';

type Packed = Pick<Image, 'packing'>;

/** The same codec over the same units. */
export function samePacking(one: Packed, other: Packed): boolean {
  return fits(one.packing, other.packing);
}

/** Units that are packed like `packing` are what an `encoding` makes, but for the effort. */
export function fits(
  packing: Image['packing'],
  encoding: { readonly codec: Codec; readonly unit: number } | null | undefined,
): boolean {
  if (!packing || !encoding) return false;
  return packing.codec === encoding.codec && packing.unit === encoding.unit;
}
