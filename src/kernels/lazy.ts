/** Kernels that come to life when they are first asked for work: `info` and `create` never need them. */
import type { Loan } from '../loan.js';
import type { MaybePromise } from '../maybe.js';
import type { Codec, Kernels, UnitEncoding, UnitResult, Unpack } from './kernels.js';

export class LazyKernels implements Kernels {
  #kernels: Kernels | null = null;

  constructor(
    readonly parallelism: number,
    private readonly create: () => Kernels,
  ) {}

  get #alive(): Kernels {
    this.#kernels ??= this.create();
    return this.#kernels;
  }

  buffer(length: number): Loan {
    return this.#alive.buffer(length);
  }

  split(bytes: Uint8Array, granule: number, minimum: number): number[] {
    return this.#alive.split(bytes, granule, minimum);
  }

  pack(bytes: Uint8Array, encoding: UnitEncoding): MaybePromise<UnitResult[]> {
    return this.#alive.pack(bytes, encoding);
  }

  unpack(codec: Codec, batch: readonly Unpack[]): MaybePromise<number[]> {
    return this.#alive.unpack(codec, batch);
  }

  crc32(bytes: Uint8Array): number {
    return this.#alive.crc32(bytes);
  }

  crc32c(bytes: Uint8Array): number {
    return this.#alive.crc32c(bytes);
  }

  async close(): Promise<void> {
    await this.#kernels?.close();
  }
}
