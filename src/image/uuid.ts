/** Universally unique identifiers, RFC 9562. */

/** A random one (version 4): 16 bytes as they are printed. */
export function randomUuid(): Uint8Array {
  return markUuid(globalThis.crypto.getRandomValues(new Uint8Array(16)), 4);
}

/** Makes a UUID of 16 bytes, which are changed, by saying of which version they are. */
export function markUuid(bytes: Uint8Array, version: number): Uint8Array {
  bytes[6] = (bytes[6]! & 0x0f) | (version << 4);
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

/** The other byte order: VDI, VHDX and GPT store the first three fields with the lowest byte first. */
export function mixedEndian(uuid: Uint8Array): Uint8Array {
  const [a, b, c, d, e, f, g, h, ...rest] = uuid;
  return Uint8Array.from([d!, c!, b!, a!, f!, e!, h!, g!, ...rest]);
}
