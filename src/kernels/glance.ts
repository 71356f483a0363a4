/**
 * A glance at bytes that lie outside of the kernels' memory, for where it saves the copy into it: data seldom begins with
 * many zeros, so a word or two of each granule tell that it is data.
 */

/** Whether no granule is all zeros, the last, shorter one included. False, too, where the bytes cannot be had as words. */
export function eachHoldsData(bytes: Uint8Array, granule: number): boolean {
  if (bytes.length === 0 || bytes.byteOffset % 4 !== 0 || bytes.length % 4 !== 0) return false;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (let at = 0; at < words.length; at += granule / 4) {
    if (!holdsData(words, at, Math.min(at + granule / 4, words.length))) return false;
  }
  return true;
}

function holdsData(words: Int32Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (words[at] !== 0) return true;
  return false;
}
