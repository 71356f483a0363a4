/** What the kernel tests share: an instance of the built module, and data of every kind. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type Framing, WasmKernel } from '../../src/kernels/wasm.js';

const PAGE = 65536;

/** An instance of build/kernels.wasm with an arena of at least `arenaBytes`. */
export function makeKernel(arenaBytes = 4 << 20): WasmKernel {
  const module = new WebAssembly.Module(readFileSync('build/kernels.wasm'));
  const initial = Math.ceil((WasmKernel.OWN_BYTES + arenaBytes) / PAGE) + 1;
  return new WasmKernel(module, new WebAssembly.Memory({ initial }));
}

const GUARD = 64;

/**
 * What inflate makes of a stream: the content, or null if it is refused. The output lies between guard bytes, which must
 * stay as they are.
 */
export function attemptInflate(
  kernel: WasmKernel,
  packed: Uint8Array,
  length: number,
  framing: Framing,
): Uint8Array | null {
  const all = new Uint8Array(kernel.memory.buffer, kernel.arena.offset + 1024, length + 2 * GUARD).fill(0xa5);
  const into = all.subarray(GUARD, GUARD + length);
  let content: Uint8Array | null = null;
  try {
    kernel.inflate(packed, into, framing);
    content = into.slice();
  } catch (error) {
    expect(error).toMatchObject({ code: 'corrupt' });
  }
  const guards = [all.subarray(0, GUARD), all.subarray(GUARD + length)];
  expect(guards.every((guard) => guard.every((byte) => byte === 0xa5))).toBe(true);
  return content;
}

/** Whether two byte arrays are equal; for long ones much faster than a matcher. */
export function same(a: Uint8Array | null, b: Uint8Array): boolean {
  return a !== null && Buffer.compare(a, b) === 0;
}
