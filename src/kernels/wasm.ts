/**
 * One instance of the wasm kernels over one memory: typed calls instead of addresses.
 *
 * Bytes that lie in the instance's own memory (its arena) are worked on where they are; other bytes are copied into
 * scratch memory first, and results are copied out. What is too large for the scratch memory (units of more than 2 MiB,
 * which only foreign images have) goes to a second instance with a memory made for it.
 */
import { corrupt, ImageError } from '../errors.js';
import { eachHoldsData } from './glance.js';

/** `raw`: RFC 1951. `zlib`: RFC 1950 around it. */
export type Framing = 'raw' | 'zlib';

export interface DeflateSettings {
  /** 1 (fast) to 12 (small). */
  readonly level: number;
  /** Largest distance of a match in bytes: 256 to 32768. */
  readonly window: number;
  readonly framing: Framing;
  /** Longest acceptable stream in bytes. */
  readonly limit: number;
}

export interface ZstdSettings {
  /** 1 (fast) to 19 (small). */
  readonly level: number;
  /** Longest acceptable frame in bytes. */
  readonly limit: number;
}

/** What the module exports; see assembly/index.ts. Addresses and lengths are bytes. */
interface Exports {
  readonly ARENA: WebAssembly.Global<'i32'>;
  readonly OVERREAD: WebAssembly.Global<'i32'>;
  readonly SCRATCH_IN: WebAssembly.Global<'i32'>;
  readonly SCRATCH_OUT: WebAssembly.Global<'i32'>;
  readonly SCRATCH_SIZE: WebAssembly.Global<'i32'>;
  isZero(source: number, length: number): number;
  split(source: number, length: number, granule: number, minimum: number, lengths: number): number;
  crc32(source: number, length: number, crc: number): number;
  crc32c(source: number, length: number, crc: number): number;
  adler32(source: number, length: number, adler: number): number;
  xxh64(source: number, length: number): bigint;
  sha256(state: number, source: number, length: number): void;
  deflate(
    source: number,
    length: number,
    target: number,
    capacity: number,
    level: number,
    window: number,
    zlib: boolean,
  ): number;
  inflate(source: number, length: number, target: number, size: number, zlib: boolean): number;
  zstdCompress(source: number, length: number, target: number, capacity: number, level: number): number;
  zstdDecompress(source: number, length: number, target: number, capacity: number): number;
  streamLength(): number;
}

/** A checksum that continues from the checksum of the bytes before. */
type Checksum = (source: number, length: number, before: number) => number;

const PAGE = 65536;

/** Granule and minimum are at least this, so a list of stretches always fits into the scratch memory. */
const SMALLEST_GRANULE = 512;

/** No format has compressed units of more than 64 MiB; larger ones are refused. */
const LARGEST_UNIT = 64 * 1024 * 1024;

/** Why inflate refused a stream, by its code. */
const INFLATE_ERRORS = [
  '',
  'the stream ends too early',
  'invalid block',
  'invalid code',
  'invalid distance',
  'the stream holds too few bytes',
  'the stream holds too many bytes',
  'invalid zlib header',
  'wrong checksum',
];

/** Why zstdDecompress refused a stream, by its negative result. */
const ZSTD_ERRORS = [
  '',
  'the frame ends too early',
  'no frame begins where one should',
  'malformed frame',
  'the frames hold too many bytes',
  'the frame needs a dictionary',
  'the window of the frame is too large',
  'wrong checksum',
];

export class WasmKernel {
  /** Bytes that the kernels keep for themselves; the arena follows. */
  static readonly OWN_BYTES = 0xc5_0000;

  /** Memory behind the kernels' own, for the host to hand out: byte offset and length. */
  readonly arena: { readonly offset: number; readonly length: number };

  readonly #exports: Exports;
  readonly #scratchIn: number;
  readonly #scratchOut: number;
  readonly #scratchSize: number;
  readonly #overread: number;
  /** For what the scratch memory cannot hold; its arena serves as scratch memory. */
  #large: WasmKernel | null = null;

  /** `memory`: at least `OWN_BYTES` and a page; shared exactly if the module wants it so. */
  constructor(
    private readonly module: WebAssembly.Module,
    readonly memory: WebAssembly.Memory,
  ) {
    const instance = new WebAssembly.Instance(module, { env: { memory } });
    this.#exports = instance.exports as unknown as Exports;
    this.#scratchIn = this.#exports.SCRATCH_IN.value;
    this.#scratchOut = this.#exports.SCRATCH_OUT.value;
    this.#scratchSize = this.#exports.SCRATCH_SIZE.value;
    this.#overread = this.#exports.OVERREAD.value;
    const offset = this.#exports.ARENA.value;
    this.arena = { offset, length: memory.buffer.byteLength - offset - this.#overread };
  }

  /** Whether all bytes are zero; true for none. */
  isZero(bytes: Uint8Array): boolean {
    for (const part of this.#parts(bytes)) {
      if (this.#exports.isZero(this.#addressOf(part), part.length) === 0) return false;
    }
    return true;
  }

  /** As `Kernels.split`. */
  split(bytes: Uint8Array, granule: number, minimum: number): number[] {
    if (granule < SMALLEST_GRANULE) throw new RangeError(`granule of ${granule} bytes`);
    if (!this.#holds(bytes) && eachHoldsData(bytes, granule)) return [bytes.length];
    if (!this.#reaches(bytes)) {
      const large = this.#largeKernel(bytes.length);
      return large.split(large.#keep(bytes, 0), granule, minimum);
    }
    const lengths = this.#scratchOut;
    const count = this.#exports.split(this.#addressOf(bytes), bytes.length, granule, minimum, lengths);
    return Array.from(new Uint32Array(this.memory.buffer, lengths, count));
  }

  /** CRC-32 as zip, gzip and dmg use it. */
  crc32(bytes: Uint8Array): number {
    return this.#checksum(this.#exports.crc32, bytes, 0);
  }

  /** CRC-32C (Castagnoli) as vhdx uses it. */
  crc32c(bytes: Uint8Array): number {
    return this.#checksum(this.#exports.crc32c, bytes, 0);
  }

  adler32(bytes: Uint8Array): number {
    return this.#checksum(this.#exports.adler32, bytes, 1);
  }

  xxh64(bytes: Uint8Array): bigint {
    if (!this.#reaches(bytes)) {
      const large = this.#largeKernel(bytes.length);
      return large.xxh64(large.#keep(bytes, 0));
    }
    return BigInt.asUintN(64, this.#exports.xxh64(this.#addressOf(bytes), bytes.length));
  }

  /** Takes whole blocks of 64 bytes into the eight words of a SHA-256 state. */
  sha256(state: Uint32Array, blocks: Uint8Array): void {
    const words = new Uint32Array(this.memory.buffer, this.#scratchOut, state.length);
    words.set(state);
    for (const part of this.#parts(blocks)) this.#exports.sha256(this.#scratchOut, this.#addressOf(part), part.length);
    state.set(words);
  }

  /**
   * Compresses at most 2 MiB. The stream lies in memory that the next call overwrites; null: it would be longer than
   * `limit`.
   */
  deflate(bytes: Uint8Array, { level, window, framing, limit }: DeflateSettings): Uint8Array | null {
    const zlib = framing === 'zlib';
    return this.#compress(bytes, limit, (source, target, capacity) =>
      this.#exports.deflate(source, bytes.length, target, capacity, level, window, zlib),
    );
  }

  /**
   * Fills `into`; what follows the stream in `packed` is ignored. Returns the length of the stream, 0 if it goes on
   * behind what fills `into`. Throws `corrupt`.
   */
  inflate(packed: Uint8Array, into: Uint8Array, framing: Framing): number {
    const zlib = framing === 'zlib';
    return this.#decompress(packed, into, (exports, source, target) => {
      const error = exports.inflate(source, packed.length, target, into.length, zlib);
      if (error !== 0) throw corrupt(`Could not decompress: ${INFLATE_ERRORS[error]}`);
    });
  }

  /**
   * Compresses at most 2 MiB into one frame. It lies in memory that the next call overwrites; null: it would be longer
   * than `limit`.
   */
  zstdCompress(bytes: Uint8Array, { level, limit }: ZstdSettings): Uint8Array | null {
    return this.#compress(bytes, limit, (source, target, capacity) =>
      this.#exports.zstdCompress(source, bytes.length, target, capacity, level),
    );
  }

  /**
   * Fills `into` from one or more frames; what follows them in `packed` is ignored. Returns the length of the frames.
   * Throws `corrupt`.
   */
  zstdDecompress(packed: Uint8Array, into: Uint8Array): number {
    return this.#decompress(packed, into, (exports, source, target) => {
      const produced = exports.zstdDecompress(source, packed.length, target, into.length);
      if (produced < 0) throw corrupt(`Could not decompress: ${ZSTD_ERRORS[-produced]}`);
      if (produced < into.length) throw corrupt('Could not decompress: the frames hold too few bytes');
    });
  }

  /** Runs a compressor that returns the length of its stream, 0 if that would be more than the capacity. */
  #compress(
    bytes: Uint8Array,
    limit: number,
    run: (source: number, target: number, capacity: number) => number,
  ): Uint8Array | null {
    if (!this.#reaches(bytes)) throw new RangeError(`a unit of ${bytes.length} bytes`);
    const capacity = Math.min(limit, this.#scratchSize - this.#overread);
    const length = run(this.#addressOf(bytes), this.#scratchOut, capacity);
    return length === 0 ? null : new Uint8Array(this.memory.buffer, this.#scratchOut, length);
  }

  /** Runs a decompressor that fills its target or throws; returns the length of the stream. */
  #decompress(
    packed: Uint8Array,
    into: Uint8Array,
    run: (exports: Exports, source: number, target: number) => void,
  ): number {
    if (!this.#reaches(packed) || !this.#reaches(into)) return this.#decompressLarge(packed, into, run);
    const source = this.#addressOf(packed);
    if (this.#holds(into)) run(this.#exports, source, into.byteOffset);
    else {
      run(this.#exports, source, this.#scratchOut);
      into.set(new Uint8Array(this.memory.buffer, this.#scratchOut, into.length));
    }
    return this.#exports.streamLength();
  }

  #decompressLarge(
    packed: Uint8Array,
    into: Uint8Array,
    run: (exports: Exports, source: number, target: number) => void,
  ): number {
    const distance = packed.length + this.#overread;
    const large = this.#largeKernel(distance + into.length);
    const source = large.#keep(packed, 0);
    const target = new Uint8Array(large.memory.buffer, large.arena.offset + distance, into.length);
    run(large.#exports, source.byteOffset, target.byteOffset);
    into.set(target);
    return large.#exports.streamLength();
  }

  #checksum(update: Checksum, bytes: Uint8Array, start: number): number {
    let sum = start;
    for (const part of this.#parts(bytes)) sum = update(this.#addressOf(part), part.length, sum);
    return sum >>> 0;
  }

  /** `bytes` whole if they can be reached in one go, else cut into pieces that fit into the scratch memory. */
  #parts(bytes: Uint8Array): Uint8Array[] {
    if (this.#reaches(bytes)) return [bytes];
    const parts: Uint8Array[] = [];
    const size = this.#scratchSize - this.#overread;
    for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size));
    return parts;
  }

  /** Whether `bytes` lie in the arena. */
  #holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.memory.buffer && bytes.byteOffset >= this.arena.offset;
  }

  /** Whether the kernels can work on `bytes`, in place or in scratch memory. */
  #reaches(bytes: Uint8Array): boolean {
    return bytes.length <= this.#scratchSize - this.#overread || this.#holds(bytes);
  }

  /** Where the kernels find `bytes`: in place, or copied into the scratch memory. */
  #addressOf(bytes: Uint8Array): number {
    if (this.#holds(bytes)) return bytes.byteOffset;
    new Uint8Array(this.memory.buffer, this.#scratchIn, bytes.length).set(bytes);
    return this.#scratchIn;
  }

  /** Copies `bytes` into the arena at `offset`. */
  #keep(bytes: Uint8Array, offset: number): Uint8Array {
    const copy = new Uint8Array(this.memory.buffer, this.arena.offset + offset, bytes.length);
    copy.set(bytes);
    return copy;
  }

  /** An instance with an arena of at least `bytes`. */
  #largeKernel(bytes: number): WasmKernel {
    if (bytes > 2 * LARGEST_UNIT) throw new ImageError('unsupported', 'Compressed unit is too large');
    if (this.#large === null || this.#large.arena.length < bytes) {
      const pages = Math.ceil((WasmKernel.OWN_BYTES + bytes + this.#overread) / PAGE);
      const shared = !(this.memory.buffer instanceof ArrayBuffer);
      const memory = new WebAssembly.Memory(shared ? { initial: pages, maximum: pages, shared } : { initial: pages });
      this.#large = new WasmKernel(this.module, memory);
    }
    return this.#large;
  }
}
