/** Finding the first byte that is not what it should be, a word at a time. */

/** Index of the first byte in which `a` and `b`, of the same length, differ; null: none. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number | null {
  const wordsA = wordsOf(a);
  const wordsB = wordsOf(b);
  const count = Math.min(wordsA.length, wordsB.length);
  let word = 0;
  while (word < count && wordsA[word] === wordsB[word]) word++;
  for (let index = 4 * word; index < a.length; index++) if (a[index] !== b[index]) return index;
  return null;
}

/** Index of the first byte that is not zero; null: none. */
export function firstNonZero(bytes: Uint8Array): number | null {
  const words = wordsOf(bytes);
  let word = 0;
  while (word < words.length && words[word] === 0) word++;
  for (let index = 4 * word; index < bytes.length; index++) if (bytes[index] !== 0) return index;
  return null;
}

/** The same bytes as 32-bit words, without a rest of up to three; none if memory is not aligned for that. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const isAligned = bytes.byteOffset % 4 === 0;
  return new Int32Array(bytes.buffer, isAligned ? bytes.byteOffset : 0, isAligned ? Math.floor(bytes.length / 4) : 0);
}
