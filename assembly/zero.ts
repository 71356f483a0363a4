/**
 * Zero scan: which parts of a run are zeros and need not be stored.
 *
 * Algorithm. A run is looked at granule by granule. A granule is zero if the OR of all its bytes is zero; 128 bytes are
 * ORed before one branch decides, so a granule of zeros is read at the speed of memory, and a granule of data is left
 * at its first 128 bytes that hold a bit: data costs one or two cache lines a granule whatever the granule's size.
 *
 * Neighbouring zero granules form a stretch. A stretch that is shorter than the wanted minimum stays part of the data
 * around it, which is decided when the stretch ends, so the run is read once.
 */

/** Bytes ORed before a branch: two cache lines. More gains nothing once the branch is predicted. */
const STEP: usize = 128;

/** Bytes of the vector that a load brings. */
const VECTOR: usize = 16;

@inline
function orOfStep(at: usize): v128 {
  const first = v128.or(v128.or(v128.load(at), v128.load(at, 16)), v128.or(v128.load(at, 32), v128.load(at, 48)));
  const second = v128.or(v128.or(v128.load(at, 64), v128.load(at, 80)), v128.or(v128.load(at, 96), v128.load(at, 112)));
  return v128.or(first, second);
}

/** Whether `length` bytes at `source` are all zero; true for none. */
export function isZero(source: usize, length: usize): bool {
  let at = source;
  const end = source + length;
  while (end - at >= STEP) {
    if (v128.any_true(orOfStep(at))) return false;
    at += STEP;
  }
  while (end - at >= VECTOR) {
    if (v128.any_true(v128.load(at))) return false;
    at += VECTOR;
  }
  while (at < end) {
    if (load<u8>(at) != 0) return false;
    at++;
  }
  return true;
}

/** Position of the first granule at or behind `position` that is not zero, or of the incomplete granule at the end. */
@inline
function endOfZeros(source: usize, position: usize, length: usize, granule: usize): usize {
  while (length - position >= granule && isZero(source + position, granule)) position += granule;
  return position;
}

/**
 * Splits `length` bytes at `source` into stretches and stores their lengths (u32) at `lengths`: data, zero, data, ...
 * They add up to `length`. A zero stretch is made of whole granules and at least `minimum` bytes long, or is
 * everything. Returns how many lengths were stored: at most `length / granule + 2`.
 */
export function split(source: usize, length: usize, granule: usize, minimum: usize, lengths: usize): u32 {
  if (length == 0) return 0;
  const leading = endOfZeros(source, 0, length, granule);
  if (isZero(source + leading, length - leading)) {
    store<u32>(lengths, 0);
    store<u32>(lengths, <u32>length, 4);
    return 2;
  }
  let next = lengths;
  let placed: usize = 0;
  let start: usize = 0;
  let end = leading;
  while (true) {
    if (end > start && end - start >= minimum) {
      store<u32>(next, <u32>(start - placed));
      store<u32>(next, <u32>(end - start), 4);
      next += 8;
      placed = end;
    }
    // `end` is the start of a granule of data, or of the incomplete one.
    if (length - end < granule) break;
    start = end + granule;
    end = endOfZeros(source, start, length, granule);
  }
  if (placed < length) {
    store<u32>(next, <u32>(length - placed));
    next += 4;
  }
  return <u32>((next - lengths) >> 2);
}
