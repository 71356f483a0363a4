/**
 * Entries of L2 tables, as a check looks at them.
 *
 * Specification: QEMU, docs/interop/qcow2, "L2 table entry" and "Extended L2 Entries".
 */
import { hostOffsetOf, isCompressed, isCopied, readsAsZero } from '../layout.js';
import type { CheckedFile } from './checked-file.js';

export interface L2Entry {
  high: number;
  low: number;
  /** Extended entries: a bit for each subcluster that reads as zeros, and for each that is allocated. Otherwise 0. */
  zeroBits: number;
  allocatedBits: number;
}

export type EntryKind = 'unallocated' | 'zero' | 'zero, allocated' | 'data' | 'compressed';

/** The entry with this index in a table's bytes, with its bitmap where entries are extended. */
export function l2EntryAt(view: DataView, index: number, { isExtended, l2EntrySize }: CheckedFile): L2Entry {
  const at = index * l2EntrySize;
  const zeroBits = isExtended ? view.getUint32(at + 8) : 0;
  const allocatedBits = isExtended ? view.getUint32(at + 12) : 0;
  return { high: view.getUint32(at), low: view.getUint32(at + 4), zeroBits, allocatedBits };
}

/** What an entry says of its cluster. */
export function kindOf({ high, low }: L2Entry, { isExtended, hasDataFile }: CheckedFile): EntryKind {
  if (isCompressed(high)) return 'compressed';
  const hasOffset = hostOffsetOf(high, low) !== 0;
  if (readsAsZero(low) && !isExtended) return hasOffset ? 'zero, allocated' : 'zero';
  if (hasOffset) return 'data';
  // The first cluster of a data file is a place like any other; there the flag tells what is allocated.
  return hasDataFile && isCopied(high) ? 'data' : 'unallocated';
}
