import { readFileSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { WasmKernel } from '../../src/kernels/wasm.js';
import { mixture, text } from '../support/content.js';
import { Random } from '../support/random.js';
import { makeKernel, same } from './support.js';

const PAGE = 65536;
const settings = { level: 6, window: 4096, framing: 'raw', limit: 65_536 } as const;

describe('one instance over one memory', () => {
  const kernel = makeKernel();
  const bytes = mixture(new Random(1), 65_536);

  /** A copy of `content` in the arena, `offset` bytes into it. */
  function placed(content: Uint8Array, offset: number): Uint8Array {
    const place = new Uint8Array(kernel.memory.buffer, kernel.arena.offset + offset, content.length);
    place.set(content);
    return place;
  }

  it('keeps for itself what it says', () => {
    expect(kernel.arena.offset).toBe(WasmKernel.OWN_BYTES);
    expect(kernel.arena.offset + kernel.arena.length).toBeLessThan(kernel.memory.buffer.byteLength);
  });

  it('gives the same stream for foreign bytes and for bytes in the arena', () => {
    const foreign = kernel.deflate(bytes, settings)!.slice();
    expect(same(kernel.deflate(placed(bytes, 12_345), settings), foreign)).toBe(true);
  });

  it('decompresses from and to any memory', () => {
    const packed = zlib.deflateRawSync(bytes);
    const inside = new Uint8Array(kernel.memory.buffer, kernel.arena.offset + 1_000_001, bytes.length);
    for (const source of [packed, placed(packed, 7)]) {
      for (const target of [new Uint8Array(bytes.length), inside]) {
        target.fill(0);
        kernel.inflate(source, target, 'raw');
        expect(same(target, bytes)).toBe(true);
      }
    }
  });

  it('takes its own result as a source', () => {
    const target = new Uint8Array(bytes.length);
    kernel.inflate(kernel.deflate(bytes, settings)!, target, 'raw');
    expect(same(target, bytes)).toBe(true);
  });

  it('reads the last bytes of the arena', () => {
    const last = placed(text(new Random(2), 4096), kernel.arena.length - 4096);
    const stream = kernel.deflate(last, settings)!.slice();
    expect(same(zlib.inflateRawSync(stream), last)).toBe(true);
    expect(kernel.isZero(last.fill(0))).toBe(true);
  });

  it('says what is wrong with a stream', () => {
    const packed = zlib.deflateRawSync(bytes);
    const refuse = (stream: Uint8Array, length: number) => () => kernel.inflate(stream, new Uint8Array(length), 'raw');
    expect(refuse(packed.subarray(0, 500), bytes.length)).toThrow('the stream ends too early');
    expect(refuse(packed, bytes.length + 1)).toThrow('the stream holds too few bytes');
    expect(refuse(Uint8Array.of(7), 1)).toThrow('invalid block');
  });
});

describe('units that the scratch memory cannot hold', () => {
  const kernel = makeKernel();
  const bytes = mixture(new Random(3), 6_000_000);

  it('are decompressed in memory of their own, of growing size', () => {
    for (const length of [3_000_000, 6_000_000, 2_500_000]) {
      const part = bytes.subarray(0, length);
      const target = new Uint8Array(length);
      kernel.inflate(zlib.deflateSync(part), target, 'zlib');
      expect(same(target, part)).toBe(true);
    }
    const packed = zlib.deflateRawSync(bytes);
    const half = packed.subarray(0, packed.length >> 1);
    expect(() => kernel.inflate(half, new Uint8Array(bytes.length), 'raw')).toThrow('the stream ends too early');
  });

  it('are not compressed', () => {
    expect(() => kernel.deflate(bytes, settings)).toThrow(RangeError);
  });

  it('are refused beyond what any format has', () => {
    const huge = new Uint8Array(130 * 1024 * 1024);
    expect(() => kernel.inflate(Uint8Array.of(3, 0), huge, 'raw')).toThrow('Compressed unit is too large');
  });
});

describe('over shared memory', () => {
  const module = new WebAssembly.Module(readFileSync('build/kernels-shared.wasm'));
  const initial = Math.ceil((WasmKernel.OWN_BYTES + (1 << 20)) / PAGE) + 1;
  const kernel = new WasmKernel(module, new WebAssembly.Memory({ initial, maximum: 16_384, shared: true }));
  const bytes = mixture(new Random(4), 65_536);

  it('works as over memory of its own', () => {
    expect(same(kernel.deflate(bytes, settings), makeKernel().deflate(bytes, settings)!)).toBe(true);
    const large = mixture(new Random(5), 3_000_000);
    const target = new Uint8Array(large.length);
    kernel.inflate(zlib.deflateRawSync(large), target, 'raw');
    expect(same(target, large)).toBe(true);
  });
});
