/** Preparing a run: reading it, finding its zeros, compressing its units. */
import type { PreparedRun } from '../image/image.js';
import type { Kernels, Piece, UnitEncoding } from '../kernels/kernels.js';

/**
 * Splits plain bytes into data and zero pieces.
 *
 * @param offset guest offset of `bytes`, a multiple of 512
 * @param sparse shortest stretch of zeros, in bytes, that becomes a zero piece; 0: none does
 */
export function splitRun(kernels: Kernels, offset: number, bytes: Uint8Array, sparse: number): PreparedRun {
  const pieces: Piece[] = [];
  const run = { offset, length: bytes.length, pieces };
  if (sparse === 0) {
    pieces.push({ kind: 'data', offset, length: bytes.length, bytes });
    return run;
  }
  let at = 0;
  let isData = true;
  for (const length of kernels.split(bytes, granuleOf(sparse), sparse)) {
    if (length > 0) pieces.push(plainPiece(isData, offset + at, bytes.subarray(at, at + length)));
    at += length;
    isData = !isData;
  }
  return run;
}

/** Holes begin and end on multiples of this: the largest power of two up to `sparse`. */
function granuleOf(sparse: number): number {
  return Math.max(512, 2 ** Math.floor(Math.log2(sparse)));
}

function plainPiece(isData: boolean, offset: number, bytes: Uint8Array): Piece {
  const { length } = bytes;
  return isData ? { kind: 'data', offset, length, bytes } : { kind: 'zero', offset, length };
}

/** Compresses a run in place, unit by unit; a unit of zeros becomes a zero piece unless `sparse` is 0. */
export async function packRun(
  kernels: Kernels,
  offset: number,
  bytes: Uint8Array,
  encoding: UnitEncoding,
  sparse: number,
): Promise<PreparedRun> {
  const results = await kernels.pack(bytes, encoding);
  const pieces = results.map((result, index): Piece => {
    const at = index * encoding.unit;
    const length = Math.min(encoding.unit, bytes.length - at);
    if (result.kind === 'packed') {
      return { kind: 'packed', offset: offset + at, length, bytes: bytes.subarray(at, at + result.length) };
    }
    const isData = result.kind === 'plain' || sparse === 0;
    return plainPiece(isData, offset + at, bytes.subarray(at, at + length));
  });
  return { offset, length: bytes.length, pieces };
}
