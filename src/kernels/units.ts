/** Runs and batches, unit by unit, on one wasm instance: what the inline kernels and each worker do. */
import type { Codec, UnitEncoding, UnitResult, Unpack } from './kernels.js';
import type { WasmKernel } from './wasm.js';

/** `Kernels.pack` on this thread. */
export function packUnits(kernel: WasmKernel, bytes: Uint8Array, encoding: UnitEncoding): UnitResult[] {
  const results: UnitResult[] = [];
  for (let at = 0; at < bytes.length; at += encoding.unit) {
    const unit = bytes.subarray(at, Math.min(at + encoding.unit, bytes.length));
    results.push(packUnit(kernel, unit, encoding));
  }
  return results;
}

/** Compresses one unit over itself. */
function packUnit(kernel: WasmKernel, unit: Uint8Array, encoding: UnitEncoding): UnitResult {
  if (!encoding.packsZeros && kernel.isZero(unit)) return { kind: 'zero' };
  const whole = unit.length === encoding.unit ? unit : filledUp(unit, encoding.unit);
  const packed = compress(kernel, whole, encoding);
  // A short last unit has no room behind it, so its stream must also be shorter than what it holds.
  if (packed === null || packed.length > unit.length) return { kind: 'plain' };
  unit.set(packed);
  return { kind: 'packed', length: packed.length };
}

function filledUp(bytes: Uint8Array, length: number): Uint8Array {
  const whole = new Uint8Array(length);
  whole.set(bytes);
  return whole;
}

/** The stream, in memory that the next call overwrites; null if it would be longer than the limit. */
function compress(kernel: WasmKernel, bytes: Uint8Array, encoding: UnitEncoding): Uint8Array | null {
  const { codec, level, window, limit } = encoding;
  if (codec === 'zstd') return kernel.zstdCompress(bytes, { level, limit });
  return kernel.deflate(bytes, { level, window, limit, framing: codec === 'zlib' ? 'zlib' : 'raw' });
}

/** `Kernels.unpack` on this thread. */
export function unpackUnits(kernel: WasmKernel, codec: Codec, batch: readonly Unpack[]): number[] {
  return batch.map(({ packed, into }) => {
    if (codec === 'zstd') return kernel.zstdDecompress(packed, into);
    return kernel.inflate(packed, into, codec === 'zlib' ? 'zlib' : 'raw');
  });
}
