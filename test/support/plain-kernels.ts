/** Kernels without wasm, slow and obvious: for tests of code that only needs some kernels. */
import { deflateRawSync, deflateSync, inflateRawSync, inflateSync } from 'node:zlib';
import { ImageError } from '../../src/errors.js';
import type { Codec, Kernels, UnitEncoding, UnitResult, Unpack } from '../../src/kernels/kernels.js';
import type { Loan } from '../../src/loan.js';

export class PlainKernels implements Kernels {
  readonly parallelism = 1;
  /** Buffers handed out and not yet given back. */
  held = 0;
  /** The most that were held at once. */
  mostHeld = 0;

  buffer(length: number): Loan {
    this.held++;
    this.mostHeld = Math.max(this.held, this.mostHeld);
    return {
      bytes: new Uint8Array(length),
      release: () => {
        this.held--;
      },
    };
  }

  split(bytes: Uint8Array, granule: number, minimum: number): number[] {
    const lengths: number[] = [0];
    let isData = true;
    const add = (data: boolean, length: number) => {
      if (data === isData) lengths[lengths.length - 1]! += length;
      else lengths.push(length);
      isData = data;
    };
    let at = 0;
    while (at < bytes.length) {
      let end = at;
      while (end < bytes.length && isZero(bytes.subarray(end, end + granule)))
        end = Math.min(end + granule, bytes.length);
      if (end > at && (end - at >= minimum || end - at === bytes.length)) add(false, end - at);
      else {
        end = Math.max(end, Math.min(at + granule, bytes.length));
        add(true, end - at);
      }
      at = end;
    }
    return lengths;
  }

  pack(bytes: Uint8Array, encoding: UnitEncoding): UnitResult[] {
    if (encoding.codec === 'zstd') throw new ImageError('unsupported', 'no zstd here');
    const results: UnitResult[] = [];
    for (let at = 0; at < bytes.length; at += encoding.unit) {
      const unit = bytes.subarray(at, at + encoding.unit);
      const whole = new Uint8Array(encoding.unit);
      whole.set(unit);
      const options = { level: Math.min(encoding.level, 9), windowBits: Math.log2(encoding.window) };
      const packed = encoding.codec === 'zlib' ? deflateSync(whole, options) : deflateRawSync(whole, options);
      if (isZero(unit)) results.push({ kind: 'zero' });
      else if (packed.length > Math.min(encoding.limit, unit.length)) results.push({ kind: 'plain' });
      else {
        unit.set(packed);
        results.push({ kind: 'packed', length: packed.length });
      }
    }
    return results;
  }

  /** Nobody can tell how long the streams were. */
  unpack(codec: Codec, batch: readonly Unpack[]): number[] {
    return batch.map(({ packed, into }) => {
      if (codec === 'zstd') throw new ImageError('unsupported', 'no zstd here');
      const plain = codec === 'zlib' ? inflateSync(packed) : inflateRawSync(packed, { maxOutputLength: into.length });
      into.set(plain);
      return 0;
    });
  }

  crc32(): number {
    throw new ImageError('unsupported', 'no checksums here');
  }

  crc32c(): number {
    throw new ImageError('unsupported', 'no checksums here');
  }

  async close(): Promise<void> {}
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
