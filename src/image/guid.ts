/** GUIDs: UUIDs as Microsoft's formats store them, the first three fields little-endian. */
import { mixedEndian, randomUuid } from './uuid.js';

/** The 16 stored bytes of `2DC27766-F623-4200-9D64-115E9BFD4A08`. */
export function guidBytes(text: string): Uint8Array {
  const hex = text.replaceAll('-', '');
  return mixedEndian(Uint8Array.from({ length: 16 }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16)));
}

/** The text of 16 stored bytes, in capitals. */
export function guidText(bytes: Uint8Array): string {
  const hex = Array.from(mixedEndian(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.toUpperCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A new one. */
export function randomGuid(): Uint8Array {
  return mixedEndian(randomUuid());
}
