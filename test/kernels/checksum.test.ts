import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/random.js';
import { makeKernel } from './support.js';

const kernel = makeKernel();
const check = new TextEncoder().encode('123456789');

/** Bit by bit, as the definition says. */
function plainCrc(bytes: Uint8Array, polynomial: number): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    remainder ^= byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (polynomial & -(remainder & 1));
  }
  return ~remainder >>> 0;
}

function plainAdler(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

/** zlib writes the adler32 behind its streams, gzip the crc32 and the size. */
const zlibAdler = (bytes: Uint8Array) => zlib.deflateSync(bytes, { level: 1 }).subarray(-4).readUInt32BE();
const gzipCrc = (bytes: Uint8Array) => zlib.gzipSync(bytes, { level: 1 }).subarray(-8).readUInt32LE();

describe('checksums', () => {
  it('known values', () => {
    expect(kernel.crc32(check)).toBe(0xcbf43926);
    expect(kernel.crc32c(check)).toBe(0xe3069283);
    expect(kernel.adler32(check)).toBe(0x091e01de);
    expect(kernel.crc32(new Uint8Array(0))).toBe(0);
    expect(kernel.adler32(new Uint8Array(0))).toBe(1);
    // RFC 3720, appendix B.4.
    expect(kernel.crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(kernel.crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(kernel.crc32c(Uint8Array.from({ length: 32 }, (_, at) => at))).toBe(0x46dd794e);
    expect(kernel.crc32c(Uint8Array.from({ length: 32 }, (_, at) => 31 - at))).toBe(0x113fdb5c);
    // From xxHash's own documentation and tests.
    expect(kernel.xxh64(new Uint8Array(0))).toBe(0xef46db3751d8e999n);
    expect(kernel.xxh64(new TextEncoder().encode('a'))).toBe(0xd24ec4f1a98c6e5bn);
    expect(kernel.xxh64(new TextEncoder().encode('abc'))).toBe(0x44bc2cf5ad770999n);
    expect(kernel.xxh64(check)).toBe(0x8cb841db40e6ae83n);
  });

  it('every length, at every alignment', () => {
    const random = new Random(1);
    for (let length = 0; length < 200; length++) {
      const place = new Uint8Array(kernel.memory.buffer, kernel.arena.offset + (length % 17), length);
      place.set(random.bytes(length));
      expect(kernel.crc32(place)).toBe(plainCrc(place, 0xedb88320));
      expect(kernel.crc32c(place)).toBe(plainCrc(place, 0x82f63b78));
      expect(kernel.adler32(place)).toBe(plainAdler(place));
    }
  });

  it('as zlib and gzip compute them', () => {
    const random = new Random(2);
    for (const length of [5551, 5552, 5553, 65_536, 100_003]) {
      for (const bytes of [random.bytes(length), new Uint8Array(length).fill(255)]) {
        expect(kernel.crc32(bytes)).toBe(gzipCrc(bytes));
        expect(kernel.adler32(bytes)).toBe(zlibAdler(bytes));
      }
    }
  });

  it('more than the scratch memory holds', () => {
    const bytes = new Random(3).bytes(5_000_001);
    expect(kernel.crc32(bytes)).toBe(gzipCrc(bytes));
    expect(kernel.adler32(bytes)).toBe(zlibAdler(bytes));
    const parts = new Uint8Array(kernel.memory.buffer, kernel.arena.offset, 1 << 20);
    parts.set(bytes.subarray(0, 1 << 20));
    expect(kernel.xxh64(bytes.slice(0, 1 << 20))).toBe(kernel.xxh64(parts));
  });
});
