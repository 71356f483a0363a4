/** Writing a run's pieces to where they lie in a plain disk. */
import type { Piece } from '../kernels/kernels.js';
import { gather, type MaybePromise } from '../maybe.js';
import type { ByteSink } from '../storage/storage.js';

/** Writes the pieces at `base` + their offset. Zeros are left out where `skipZeros`. */
export function writePieces(
  store: ByteSink,
  base: number,
  pieces: readonly Piece[],
  skipZeros: boolean,
): MaybePromise<void> {
  return gather((work) => {
    for (const piece of joined(pieces)) {
      if (piece.kind !== 'zero') work.add(store.write(base + piece.offset, piece.bytes));
      else if (!skipZeros) work.add(store.zero(base + piece.offset, piece.length));
    }
  });
}

/** Neighbours of one kind as one piece, if their bytes are neighbours in memory too. */
function joined(pieces: readonly Piece[]): readonly Piece[] {
  if (pieces.length < 2) return pieces;
  const result: Piece[] = [];
  for (const piece of pieces) {
    const last = result.at(-1);
    const joint = last === undefined ? null : join(last, piece);
    if (joint === null) result.push(piece);
    else result[result.length - 1] = joint;
  }
  return result;
}

function join(left: Piece, right: Piece): Piece | null {
  const { offset } = left;
  const length = left.length + right.length;
  if (left.kind === 'zero' && right.kind === 'zero') return { kind: 'zero', offset, length };
  if (left.kind !== 'data' || right.kind !== 'data') return null;
  const { buffer, byteOffset } = left.bytes;
  if (right.bytes.buffer !== buffer || right.bytes.byteOffset !== byteOffset + left.length) return null;
  return { kind: 'data', offset, length, bytes: new Uint8Array(buffer, byteOffset, length) };
}
