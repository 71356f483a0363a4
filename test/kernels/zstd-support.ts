/** What the zstd tests share: attempts between guard bytes, and frames put together by hand. */
import { expect } from 'vitest';
import type { WasmKernel } from '../../src/kernels/wasm.js';

const GUARD = 64;

/** What the decoder makes of `packed`: the content, or null if it is refused. It must not touch what is around its place. */
export function attempt(kernel: WasmKernel, packed: Uint8Array, length: number): Uint8Array | null {
  const all = new Uint8Array(kernel.memory.buffer, kernel.arena.offset + 1024, length + 2 * GUARD).fill(0xa5);
  const into = all.subarray(GUARD, GUARD + length);
  let content: Uint8Array | null = null;
  try {
    kernel.zstdDecompress(packed, into);
    content = into.slice();
  } catch (error) {
    expect(error).toMatchObject({ code: 'corrupt' });
  }
  const guards = [all.subarray(0, GUARD), all.subarray(GUARD + length)];
  expect(guards.every((guard) => guard.every((byte) => byte === 0xa5))).toBe(true);
  return content;
}

/** `count` low bytes of `value`, least significant first. */
export function little(value: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.floor(value / 256 ** index) & 0xff);
}

export const MAGIC = little(0xfd2fb528, 4);

/** How a frame begins that has no content size, but a window of 1 KiB: blocks may be longer than what they hold. */
export const WINDOWED = [...MAGIC, 0x00, 0x00];

export function windowed(...blocks: number[][]): number[] {
  return [...WINDOWED, ...blocks.flat()];
}

/** A frame of a single segment with a content size of four bytes, without checksum. */
export function frame(contentSize: number, ...blocks: number[][]): Uint8Array {
  return Uint8Array.from([...MAGIC, 0xa0, ...little(contentSize, 4), ...blocks.flat()]);
}

/** Header of a block: type 0 raw, 1 RLE, 2 compressed, 3 reserved. */
export function blockHeader(type: number, size: number, last = false): number[] {
  return little(Number(last) + type * 2 + size * 8, 3);
}

export function rawBlock(content: number[], last = false): number[] {
  return [...blockHeader(0, content.length, last), ...content];
}

export function compressedBlock(content: number[], last = false): number[] {
  return [...blockHeader(2, content.length, last), ...content];
}

/** Literals section of less than 32 raw literals. */
export function rawLiterals(literals: number[]): number[] {
  return [literals.length << 3, ...literals];
}

/** Fields of a bit stream in the order in which a decoder reads them: [value, number of bits]. */
export type Bits = [value: number, count: number][];

/** The bytes of a backward stream: last field first, then a 1 bit. */
export function backward(fields: Bits): number[] {
  const bits = [...fields].reverse().flatMap(([value, count]) => {
    return Array.from({ length: count }, (_, index) => (value >> index) & 1);
  });
  bits.push(1);
  const bytes = new Array<number>(Math.ceil(bits.length / 8)).fill(0);
  for (const [index, bit] of bits.entries()) bytes[index >> 3]! |= bit << (index & 7);
  return bytes;
}

/** A sequence whose lengths are small enough for codes without extra bits: literals below 16, matches of 3 to 34. */
export interface Sequence {
  literals: number;
  offsetValue: number;
  match: number;
}

/** A sequences section with one sequence, whose three codes are given by RLE tables. */
export function oneSequence({ literals, offsetValue, match }: Sequence): number[] {
  const offsetCode = Math.floor(Math.log2(offsetValue));
  return [
    1,
    0b01_01_01_00,
    literals,
    offsetCode,
    match - 3,
    ...backward([[offsetValue - 2 ** offsetCode, offsetCode]]),
  ];
}

/** What the blocks of a frame make of literals and sequences: a model of RFC 8878 section 3.1.1.4 and 3.1.1.5. */
export class Model {
  readonly output: number[] = [];
  #recent = [1, 4, 8];

  execute(literals: number[], { literals: count, offsetValue, match }: Sequence): void {
    this.output.push(...literals.slice(0, count));
    const offset = this.#offset(offsetValue, count === 0);
    for (let copied = 0; copied < match; copied++) this.output.push(this.output[this.output.length - offset]!);
    this.output.push(...literals.slice(count));
  }

  #offset(value: number, withoutLiterals: boolean): number {
    const [first, second, third] = this.#recent as [number, number, number];
    if (value > 3) {
      this.#recent = [value - 3, first, second];
      return value - 3;
    }
    const which = value + Number(withoutLiterals);
    if (which === 1) return first;
    if (which === 2) this.#recent = [second, first, third];
    else if (which === 3) this.#recent = [third, first, second];
    else this.#recent = [first - 1, first, second];
    return this.#recent[0]!;
  }
}
