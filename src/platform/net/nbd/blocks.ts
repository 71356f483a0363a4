/** Cutting ranges for a server that takes aligned requests of a limited size only. */
import { roundDown, roundUp } from '../../../bytes.js';

/** A range in bytes, `end` exclusive; empty if `start` is not before `end`. */
export interface Range {
  start: number;
  end: number;
}

/**
 * Cuts [start, end) into the whole blocks of `unit` bytes in the middle and the partial blocks before and after them.
 * A range within one block is all `edges`. A block that `size`, the end of everything, cuts off counts as whole.
 */
export function cutAtBlocks(start: number, end: number, unit: number, size: number): { edges: Range[]; middle: Range } {
  const first = roundUp(start, unit);
  const last = end === size ? end : roundDown(end, unit);
  if (first > last) return { edges: [{ start, end }], middle: { start: end, end } };
  const edges = [
    { start, end: first },
    { start: last, end },
  ];
  return { edges: edges.filter((edge) => edge.start < edge.end), middle: { start: first, end: last } };
}

/**
 * Does `work` on the pieces of [start, end) of at most `step` bytes, at most `width` at once. When one fails the rest is
 * not begun; throws the first failure once all that was begun is over, so that no buffer is in use after that.
 */
export async function inPieces(
  { start, end }: Range,
  step: number,
  width: number,
  work: (start: number, end: number) => Promise<void>,
): Promise<void> {
  if (end <= start) return;
  if (end - start <= step) return work(start, end);
  let next = start;
  const failures: unknown[] = [];
  const worker = async () => {
    while (next < end && failures.length === 0) {
      const from = next;
      next = Math.min(from + step, end);
      await work(from, next).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  if (failures.length > 0) throw failures[0];
}

/** Waits for all, also when some fail; then throws the first failure. */
export async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}
