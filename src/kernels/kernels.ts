/**
 * Kernels: the work on bytes that costs CPU, done by wasm.
 *
 * One contract, two ways to run: inline (one wasm instance on the calling thread) and pool (workers with an instance
 * each, plus an inline one for what is too small to send away). Both give the same bytes. Formats and the pipeline
 * get a `Kernels` handed in and never learn which it is.
 *
 * Buffers. `buffer()` hands out recycled memory where the inline instance works without a copy and, if the platform
 * has SharedArrayBuffer, workers reach it without a transfer. Every method takes any `Uint8Array`; foreign memory is
 * copied in and out.
 */
import type { Loan } from '../loan.js';
import type { MaybePromise } from '../maybe.js';

/** `deflate`: RFC 1951 without framing (qcow2). `zlib`: the same inside RFC 1950 (VMDK, dmg). `zstd`: RFC 8878. */
export type Codec = 'deflate' | 'zlib' | 'zstd';

/** How a target wants its units compressed. */
export interface UnitEncoding {
  readonly codec: Codec;
  /** Bytes a unit (cluster, grain); each is compressed by itself. */
  readonly unit: number;
  /** 1 to 12 for deflate and zlib, 1 to 19 for zstd. */
  readonly level: number;
  /** Largest match distance in bytes: 4096 for qcow2, 32768 for others; zstd ignores it. */
  readonly window: number;
  /** A stream longer than this is not worth keeping; the unit then stays plain. */
  readonly limit: number;
  /** Streams of this codec and unit may be taken over as they are: the user has not asked for a level. */
  readonly takesStreams?: boolean;
  /** A unit of zeros is compressed like any other. */
  readonly packsZeros?: boolean;
}

/** A stretch of a run, as it is to be placed. `offset` and `length` are guest bytes. */
export type Piece =
  | { kind: 'zero'; offset: number; length: number }
  /** Plain bytes; `bytes.length === length`. */
  | { kind: 'data'; offset: number; length: number; bytes: Uint8Array }
  /** One unit, compressed: `bytes` is the stream, `length` the unit's size. */
  | { kind: 'packed'; offset: number; length: number; bytes: Uint8Array };

/** What became of one unit: `zero`, compressed into `length` bytes, or kept plain. */
export type UnitResult = { kind: 'zero' } | { kind: 'plain' } | { kind: 'packed'; length: number };

/** One compressed stream and the place for its content. */
export interface Unpack {
  /** May be followed by bytes that are not part of the stream (qcow2 pads to sectors). */
  packed: Uint8Array;
  /** Filled completely, or the call throws `corrupt`. */
  into: Uint8Array;
}

export interface Kernels {
  /** Recycled memory of exactly `length` bytes with undefined content. */
  buffer(length: number): Loan;
  /**
   * Splits `bytes` into data and zero stretches: lengths in bytes, alternating, the first is data (0 if the run begins
   * with zeros); they add up to `bytes.length`. A zero stretch consists of whole granules of zeros, is aligned to
   * `granule` and at least `minimum` bytes long, or covers all of `bytes`. `granule`: power of two, 512 or more.
   */
  split(bytes: Uint8Array, granule: number, minimum: number): number[];
  /**
   * Compresses `bytes` unit by unit, in place: the stream of unit i begins at i * unit. The last unit may be short; it
   * is compressed as if it were filled up with zeros.
   */
  pack(bytes: Uint8Array, encoding: UnitEncoding): MaybePromise<UnitResult[]>;
  /**
   * Decompresses a batch. Returns the lengths of the streams in bytes; 0: the stream goes on behind what fills `into`.
   * Throws `corrupt` if a stream is malformed or too short for its `into`.
   */
  unpack(codec: Codec, batch: readonly Unpack[]): MaybePromise<number[]>;
  /** Checksums for the formats that store them. */
  crc32(bytes: Uint8Array): number;
  crc32c(bytes: Uint8Array): number;
  /** How many units of work may usefully be under way at once; 1 for inline. */
  readonly parallelism: number;
  close(): Promise<void>;
}
