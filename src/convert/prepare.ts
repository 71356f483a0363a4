/** Preparing a run: reading it, finding its zeros, compressing its units. */
import type { PreparedRun } from '../image/image.js';
import type { Kernels, Piece, UnitEncoding } from '../kernels/kernels.js';
import type { MaybePromise } from '../maybe.js';
import type { RunStreams } from './streams.js';

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

/**
 * Compresses a run in place, unit by unit, but for the units whose streams are there; a unit of zeros becomes a zero piece
 * unless `sparse` is 0.
 */
export async function packRun(
  kernels: Kernels,
  offset: number,
  bytes: Uint8Array,
  encoding: UnitEncoding,
  sparse: number,
  streams: RunStreams | null = null,
): Promise<PreparedRun> {
  const { unit } = encoding;
  const count = Math.ceil(bytes.length / unit);
  const work: MaybePromise<Piece[]>[] = [];
  for (let index = 0; index < count; ) {
    const at = index * unit;
    const stream = streams?.of(index);
    let end = index + 1;
    if (stream) work.push([takenPiece(kernels, offset + at, bytes.subarray(at, at + unit), stream, sparse)]);
    else {
      while (end < count && !streams?.of(end)) end++;
      work.push(packUnits(kernels, offset + at, bytes.subarray(at, end * unit), encoding, sparse));
    }
    index = end;
  }
  return { offset, length: bytes.length, pieces: (await Promise.all(work)).flat() };
}

async function packUnits(
  kernels: Kernels,
  offset: number,
  bytes: Uint8Array,
  encoding: UnitEncoding,
  sparse: number,
): Promise<Piece[]> {
  const { unit } = encoding;
  const results = await kernels.pack(bytes, sparse === 0 ? { ...encoding, packsZeros: true } : encoding);
  return results.map((result, index): Piece => {
    const at = index * unit;
    const length = Math.min(unit, bytes.length - at);
    if (result.kind === 'packed') {
      return { kind: 'packed', offset: offset + at, length, bytes: bytes.subarray(at, at + result.length) };
    }
    return plainPiece(result.kind === 'plain', offset + at, bytes.subarray(at, at + length));
  });
}

/** A unit whose stream is there. */
function takenPiece(kernels: Kernels, offset: number, plain: Uint8Array, stream: Uint8Array, sparse: number): Piece {
  const { length } = plain;
  const [data] = kernels.split(plain, 512, length);
  if (data === 0 && sparse > 0) return plainPiece(false, offset, plain);
  return { kind: 'packed', offset, length, bytes: stream };
}
