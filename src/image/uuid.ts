/** Universally unique identifiers, RFC 9562. */

/** A random one (version 4): 16 bytes as they are printed. */
export function randomUuid(): Uint8Array {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

/** The other byte order: VDI, VHDX and GPT store the first three fields with the lowest byte first. */
export function mixedEndian(uuid: Uint8Array): Uint8Array {
  const [a, b, c, d, e, f, g, h, ...rest] = uuid;
  return Uint8Array.from([d!, c!, b!, a!, f!, e!, h!, g!, ...rest]);
}
