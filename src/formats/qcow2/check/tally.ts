/** Counting what a check finds. */
import type { CheckTally, ClusterUsage } from '../../../image/check.js';

export function emptyTally(): CheckTally {
  return { corruptions: 0, leaks: 0, checkErrors: 0, corruptionsFixed: 0, leaksFixed: 0 };
}

/** Adds `part` to `sum`, in place. */
export function addTally(sum: CheckTally, part: CheckTally): void {
  sum.corruptions += part.corruptions;
  sum.leaks += part.leaks;
  sum.checkErrors += part.checkErrors;
  sum.corruptionsFixed += part.corruptionsFixed;
  sum.leaksFixed += part.leaksFixed;
}

export function emptyUsage(total: number): ClusterUsage {
  return { total, allocated: 0, fragmented: 0, compressed: 0 };
}
