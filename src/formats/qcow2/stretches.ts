/** A run in whole clusters. */
import { roundDown, roundUp } from '../../bytes.js';
import type { PreparedRun } from '../../image/image.js';
import type { Piece } from '../../kernels/kernels.js';

/** Guest clusters that are alike, in bytes, and the pieces that they consist of. */
export interface Stretch {
  kind: Piece['kind'];
  start: number;
  end: number;
  pieces: Piece[];
}

/**
 * Splits a run into stretches of whole clusters. A cluster with any data in it belongs to a data stretch; what is
 * neither data nor packed is zeros.
 */
export function* wholeClusters(run: PreparedRun, clusterSize: number): Generator<Stretch> {
  const runEnd = run.offset + run.length;
  let stretch: Stretch = { kind: 'zero', start: run.offset, end: run.offset, pieces: [] };
  for (const piece of run.pieces) {
    if (piece.kind === 'zero') continue;
    const start = roundDown(piece.offset, clusterSize);
    const end = Math.min(roundUp(piece.offset + piece.length, clusterSize), runEnd);
    if (stretch.kind === piece.kind && start <= stretch.end) {
      stretch.end = end;
      stretch.pieces.push(piece);
      continue;
    }
    if (stretch.end > stretch.start) yield stretch;
    if (start > stretch.end) yield { kind: 'zero', start: stretch.end, end: start, pieces: [] };
    stretch = { kind: piece.kind, start, end, pieces: [piece] };
  }
  if (stretch.end > stretch.start) yield stretch;
  if (runEnd > stretch.end) yield { kind: 'zero', start: stretch.end, end: runEnd, pieces: [] };
}
