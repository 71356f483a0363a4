/** Bytes as 32-bit words, for the exclusive-or's of the modes of operation; the host's byte order does not matter. */

/** A view on the same bytes; a copy of them where they are not aligned. */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

/** `into` = `left` xor `right`, byte by byte; all of one length, a multiple of four bytes. */
export function xorInto(into: Uint8Array, left: Uint8Array, right: Uint8Array): void {
  const target = wordsOf(into);
  const a = wordsOf(left);
  const b = wordsOf(right);
  for (let at = 0; at < target.length; at++) target[at] = a[at]! ^ b[at]!;
  if (target.buffer !== into.buffer) into.set(new Uint8Array(target.buffer));
}
