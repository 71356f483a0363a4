/** Runs that reach over several extents. */
import type { ImageWriter, PendingWrite, PreparedRun } from '../../image/image.js';
import type { Piece } from '../../kernels/kernels.js';
import { gather } from '../../maybe.js';

/** A stretch of the disk that takes what falls into it; bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly writer: Pick<ImageWriter, 'place'>;
}

/** Places each part of a run in the span that it falls into. `spans` tile the disk. */
export async function placeInSpans(run: PreparedRun, spans: readonly Span[]): Promise<PendingWrite | undefined> {
  const writes: PendingWrite[] = [];
  for (const { start, end, writer } of spans) {
    if (end <= run.offset || start >= run.offset + run.length) continue;
    const write = await writer.place(partOf(run, start, end));
    if (write !== undefined) writes.push(write);
  }
  if (writes.length < 2) return writes[0];
  return () =>
    gather((work) => {
      for (const write of writes) work.add(write());
    });
}

/** What of the run lies in [start, end) of the disk, counted from `start`. */
function partOf(run: PreparedRun, start: number, end: number): PreparedRun {
  const from = Math.max(run.offset, start);
  const to = Math.min(run.offset + run.length, end);
  const pieces = run.pieces
    .filter(({ offset, length }) => offset < to && offset + length > from)
    .map((piece) => cut(piece, from, to, start));
  return { offset: from - start, length: to - from, pieces };
}

function cut(piece: Piece, from: number, to: number, start: number): Piece {
  const first = Math.max(piece.offset, from);
  const length = Math.min(piece.offset + piece.length, to) - first;
  const offset = first - start;
  if (piece.kind === 'zero') return { kind: 'zero', offset, length };
  if (length === piece.length) return { ...piece, offset };
  const skip = first - piece.offset;
  return { kind: 'data', offset, length, bytes: piece.bytes.subarray(skip, skip + length) };
}
