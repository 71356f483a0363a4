/** GUIDs as Microsoft's formats store them: the first three groups little-endian, the others as they are written. */

/** Position of each byte of the text in the stored form. */
const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/** The 16 stored bytes of `2DC27766-F623-4200-9D64-115E9BFD4A08`. */
export function guidBytes(text: string): Uint8Array {
  const hex = text.replaceAll(/[-{}]/g, '');
  return Uint8Array.from(ORDER, (at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16));
}

/** The text of 16 stored bytes, in capitals. */
export function guidText(bytes: Uint8Array): string {
  const hex = ORDER.map((at) => bytes[at]!.toString(16).padStart(2, '0')).join('');
  return hex.toUpperCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A new one: RFC 9562, version 4. Web Crypto is there in Node as in browsers. */
export function randomGuid(): Uint8Array {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  bytes[7] = (bytes[7]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}
