/**
 * Copying for sequence execution: whole vectors, beyond the end where there is room.
 *
 * A *wild* copy moves 16 bytes at a time and stops at the first vector that ends at or behind the end, so it may write
 * up to 15 bytes too many. They are overwritten by what comes next, or the caller has slack there.
 */

/** Bytes that a wild copy may touch beyond its end, rounded up to a vector. */
export const WILD: usize = 16;

/**
 * For each match offset below 16 a vector of indices that repeats the first `offset` bytes: i mod offset. Row 0 is
 * unused.
 */
const REPEAT_INDICES: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
  0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0,
  0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0,
  0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3, 4,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 2,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0,
], 16);

/** Copies at least `length` bytes, at least one vector, between places that are 16 bytes apart or more. */
@inline
export function wildCopy(to: usize, from: usize, length: usize): void {
  v128.store(to, v128.load(from));
  if (length > 16) {
    const end = to + length;
    do {
      to += 16;
      from += 16;
      v128.store(to, v128.load(from));
    } while (to + 16 < end);
  }
}

/** Writes at least `length` bytes at `to` that repeat the `offset` bytes before it, for offsets of 1 to 15. */
@inline
function wildRepeat(to: usize, offset: usize, length: usize): void {
  const pattern = i8x16.swizzle(v128.load(to - offset), v128.load(REPEAT_INDICES + (offset << 4)));
  // Whole periods only, so that every vector begins in phase.
  const step: usize = 16 - (<usize>16 % offset);
  for (const end = to + length; to < end; to += step) v128.store(to, pattern);
}

/** Copies at least `length` bytes of a match, for any offset. */
@inline
export function wildMatch(to: usize, offset: usize, length: usize): void {
  if (offset >= 16) wildCopy(to, to - offset, length);
  else wildRepeat(to, offset, length);
}

/** Copies a match byte by byte: no slack, any offset. */
export function carefulMatch(to: usize, offset: usize, length: usize): void {
  for (const end = to + length; to < end; to++) store<u8>(to, load<u8>(to - offset));
}
