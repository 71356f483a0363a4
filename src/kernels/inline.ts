/** Kernels on the calling thread. */
import { ImageError } from '../errors.js';
import type { Loan } from '../loan.js';
import { BufferStock } from './buffers.js';
import type { Codec, Kernels, UnitEncoding, UnitResult, Unpack } from './kernels.js';
import { packUnits, unpackUnits } from './units.js';
import { WasmKernel } from './wasm.js';

const PAGE = 65536;

/** Room for the run buffers of a usual conversion; it costs address space until it is touched. */
const ARENA_BYTES = 40 * 1024 * 1024;

/** The maximum that the shared module declares, in pages. */
const SHARED_MAXIMUM = 16384;

/** A compiled kernel module; `shared`: it wants shared memory. */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  readonly shared: boolean;
}

/** A wasm instance with `arenaBytes` beyond its own areas. Throws `io` where there is no memory for it. */
export function instantiate({ module, shared }: KernelModule, arenaBytes: number): WasmKernel {
  const initial = Math.ceil((WasmKernel.OWN_BYTES + arenaBytes) / PAGE);
  try {
    const memory = new WebAssembly.Memory(shared ? { initial, maximum: SHARED_MAXIMUM, shared } : { initial });
    return new WasmKernel(module, memory);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    // Engines reserve some 10 GiB of address space for each memory, whatever its size.
    throw new ImageError('io', 'Cannot allocate memory', { cause });
  }
}

export class InlineKernels implements Kernels {
  readonly parallelism = 1;
  readonly #kernel: WasmKernel;
  readonly #stock: BufferStock;

  constructor(module: KernelModule, arenaBytes: number = ARENA_BYTES) {
    this.#kernel = instantiate(module, arenaBytes);
    const { memory, arena } = this.#kernel;
    this.#stock = new BufferStock(memory.buffer, arena.offset, arena.offset + arena.length);
  }

  buffer(length: number): Loan {
    return this.#stock.take(length);
  }

  split(bytes: Uint8Array, granule: number, minimum: number): number[] {
    return this.#kernel.split(bytes, granule, minimum);
  }

  pack(bytes: Uint8Array, encoding: UnitEncoding): UnitResult[] {
    return packUnits(this.#kernel, bytes, encoding);
  }

  unpack(codec: Codec, batch: readonly Unpack[]): number[] {
    return unpackUnits(this.#kernel, codec, batch);
  }

  crc32(bytes: Uint8Array): number {
    return this.#kernel.crc32(bytes);
  }

  crc32c(bytes: Uint8Array): number {
    return this.#kernel.crc32c(bytes);
  }

  async close(): Promise<void> {}
}
