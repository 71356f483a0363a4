/**
 * The worker's side of the pool.
 *
 * Memory that both sides share is worked on in place. Otherwise bytes travel: they arrive as a transferred buffer and
 * go back the same way, so nothing is copied by the message itself.
 */
import * as Comlink from 'comlink';
import { ImageError, type PlainError } from '../errors.js';
import { instantiate, type KernelModule } from './inline.js';
import type { Codec, UnitEncoding, UnitResult } from './kernels.js';
import { packUnits, unpackUnits } from './units.js';
import type { WasmKernel } from './wasm.js';

/** Errors cross the border as data: a thrown one would lose its code. */
export type Reply<T> = { ok: T } | { error: PlainError };

export interface PackReply {
  results: UnitResult[];
  /** The bytes on their way back; null if the memory is shared. */
  bytes: Uint8Array | null;
}

export interface UnpackReply {
  /** Of the streams. */
  lengths: number[];
  /** The contents, one behind the other. */
  bytes: Uint8Array;
}

export interface WorkerApi {
  start(module: KernelModule): void;
  pack(bytes: Uint8Array, encoding: UnitEncoding, shared: boolean): Reply<PackReply>;
  /** Decompresses streams into shared memory; returns their lengths. */
  unpackShared(codec: Codec, packed: Uint8Array[], into: Uint8Array[]): Reply<number[]>;
  /** Decompresses streams into new memory of these sizes, which travels back. */
  unpackMoved(codec: Codec, packed: Uint8Array[], sizes: number[]): Reply<UnpackReply>;
}

/** Room for nothing but the kernel's own areas: the bytes to work on come from outside. */
const ARENA_BYTES = 65536;

class KernelWorker implements WorkerApi {
  #kernel: WasmKernel | null = null;

  start(module: KernelModule): void {
    this.#kernel = instantiate(module, ARENA_BYTES);
  }

  pack(bytes: Uint8Array, encoding: UnitEncoding, shared: boolean): Reply<PackReply> {
    return this.#reply((kernel) => {
      const results = packUnits(kernel, bytes, encoding);
      return { results, bytes: shared ? null : bytes };
    });
  }

  unpackShared(codec: Codec, packed: Uint8Array[], into: Uint8Array[]): Reply<number[]> {
    return this.#reply((kernel) =>
      unpackUnits(
        kernel,
        codec,
        packed.map((stream, index) => ({ packed: stream, into: into[index]! })),
      ),
    );
  }

  unpackMoved(codec: Codec, packed: Uint8Array[], sizes: number[]): Reply<UnpackReply> {
    return this.#reply((kernel) => {
      const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
      let at = 0;
      const batch = packed.map((stream, index) => {
        const into = bytes.subarray(at, at + sizes[index]!);
        at += into.length;
        return { packed: stream, into };
      });
      return { lengths: unpackUnits(kernel, codec, batch), bytes };
    });
  }

  #reply<T>(work: (kernel: WasmKernel) => T): Reply<T> {
    try {
      if (this.#kernel === null) throw new ImageError('io', 'The kernel worker was not started');
      const ok = work(this.#kernel);
      return transferring({ ok });
    } catch (error) {
      if (error instanceof ImageError) return { error: error.toPlain() };
      throw error;
    }
  }
}

/** Marks what a reply carries for transfer. */
function transferring<T>(reply: { ok: T }): { ok: T } {
  const { bytes } = reply.ok as Partial<PackReply | UnpackReply>;
  return bytes ? Comlink.transfer(reply, [bytes.buffer as ArrayBuffer]) : reply;
}

/** Serves the pool through `endpoint`. */
export function serveKernels(endpoint: Comlink.Endpoint): void {
  Comlink.expose(new KernelWorker(), endpoint);
}
