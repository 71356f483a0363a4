/**
 * Bytes to numbers and back.
 *
 * Formats describe their on-disk structures as field tables (`fields`), one line a field, so that a header is read,
 * written and documented by the same table. A 64-bit field is a JavaScript number when it is a size or an offset: it
 * goes through one checked reader, and a value above 2^53-1 is `corrupt`. Bit masks of 64 bits are `bigint`.
 */
import { corrupt } from './errors.js';

/** `u64` is a checked number (0 to 2^53-1); `bits64` a bigint; `{bytes}` a copy of raw bytes. */
export type FieldType = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'bits64' | { readonly bytes: number };

/** Byte offset within the structure, and type. */
export type Field = readonly [offset: number, type: FieldType];

type ValueOf<T extends FieldType> = T extends { bytes: number } ? Uint8Array : T extends 'bits64' ? bigint : number;

/** What a field table reads and writes: one property a field. */
export type Values<F extends Record<string, Field>> = { -readonly [K in keyof F]: ValueOf<F[K][1]> };

/** An on-disk structure described field by field. */
export interface FieldTable<F extends Record<string, Field>> {
  /** Bytes from the start of the structure to the end of its last field. */
  readonly size: number;
  readonly fields: F;
  /** Reads every field; `bytes` must hold `base + size` bytes. Throws `corrupt` for a `u64` above 2^53-1. */
  read(bytes: Uint8Array, base?: number): Values<F>;
  /** Writes the given fields and leaves the other bytes alone. */
  write(bytes: Uint8Array, values: Partial<Values<F>>, base?: number): void;
}

/** A `DataView` over exactly the same bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads a 64-bit unsigned integer; above 2^53-1 throws `corrupt`, naming `what`. */
export function readU64(view: DataView, offset: number, littleEndian: boolean, what = 'value'): number {
  const first = view.getUint32(offset, littleEndian);
  const second = view.getUint32(offset + 4, littleEndian);
  const high = littleEndian ? second : first;
  if (high > 0x1fffff) throw corrupt(`${what} is too large`);
  return high * 0x1_0000_0000 + (littleEndian ? first : second);
}

/** Whether bytes as a number are exact: up to 2^53-1 any, up to 2^62 whole sectors, as are the sizes of disks. */
export function isExact(bytes: bigint): boolean {
  return bytes <= BigInt(Number.MAX_SAFE_INTEGER) || (bytes < 1n << 62n && bytes % 512n === 0n);
}

/** Writes bytes that are exact as a number as a 64-bit unsigned field. */
export function writeU64(view: DataView, offset: number, value: number, littleEndian: boolean): void {
  if (!Number.isInteger(value) || value < 0 || !isExact(BigInt(value)))
    throw new RangeError(`not a u64 in the safe range: ${value}`);
  const high = Math.floor(value / 0x1_0000_0000);
  const low = value >>> 0;
  view.setUint32(offset, littleEndian ? low : high, littleEndian);
  view.setUint32(offset + 4, littleEndian ? high : low, littleEndian);
}

/** How a type of field is read and written. */
interface Accessor {
  readonly size: number;
  get(view: DataView, at: number, little: boolean, name: string): unknown;
  set(view: DataView, at: number, value: never, little: boolean): void;
}

const ACCESSORS: Record<Extract<FieldType, string>, Accessor> = {
  u8: { size: 1, get: (v, at) => v.getUint8(at), set: (v, at, x) => v.setUint8(at, x) },
  u16: { size: 2, get: (v, at, le) => v.getUint16(at, le), set: (v, at, x, le) => v.setUint16(at, x, le) },
  u32: { size: 4, get: (v, at, le) => v.getUint32(at, le), set: (v, at, x, le) => v.setUint32(at, x, le) },
  i32: { size: 4, get: (v, at, le) => v.getInt32(at, le), set: (v, at, x, le) => v.setInt32(at, x, le) },
  u64: { size: 8, get: readU64, set: writeU64 },
  bits64: { size: 8, get: (v, at, le) => v.getBigUint64(at, le), set: (v, at, x, le) => v.setBigUint64(at, x, le) },
};

function rawBytes(size: number): Accessor {
  const range = (view: DataView, at: number) => new Uint8Array(view.buffer, view.byteOffset + at, size);
  return {
    size,
    get: (view, at) => range(view, at).slice(),
    set(view, at, value: Uint8Array) {
      range(view, at).fill(0);
      range(view, at).set(value.subarray(0, size));
    },
  };
}

function accessorOf(type: FieldType): Accessor {
  return typeof type === 'string' ? ACCESSORS[type] : rawBytes(type.bytes);
}

/** Describes a structure: `fields('big', { magic: [0, 'u32'], version: [4, 'u32'] })`. */
export function fields<const F extends Record<string, Field>>(order: 'big' | 'little', table: F): FieldTable<F> {
  const little = order === 'little';
  const rows = Object.entries(table).map(([name, [offset, type]]) => ({ name, offset, accessor: accessorOf(type) }));
  const size = Math.max(...rows.map((row) => row.offset + row.accessor.size));
  return {
    size,
    fields: table,
    read(bytes, base = 0) {
      const view = viewOf(bytes);
      const values: Record<string, unknown> = {};
      for (const { name, offset, accessor } of rows) values[name] = accessor.get(view, base + offset, little, name);
      return values as Values<F>;
    },
    write(bytes, values, base = 0) {
      const view = viewOf(bytes);
      for (const { name, offset, accessor } of rows) {
        const value = (values as Record<string, unknown>)[name];
        if (value !== undefined) accessor.set(view, base + offset, value as never, little);
      }
    },
  };
}

/** Whether all bytes are zero; for metadata: runs of data go through the kernels. */
export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** `value` rounded up to a multiple of `unit`; any positive integers. */
export function roundUp(value: number, unit: number): number {
  const rest = value % unit;
  return rest === 0 ? value : value + unit - rest;
}

/** `value` rounded down to a multiple of `unit`; any positive integers. */
export function roundDown(value: number, unit: number): number {
  return value - (value % unit);
}

export function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

const utf8 = new TextDecoder();

/** Text up to the first NUL or the end; invalid UTF-8 becomes U+FFFD. */
export function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.slice(0, end));
}
