/** Telling what a file is packed with, by what it begins with. */
import { isTarHeader } from './tar/header.js';

export type Packing = 'gzip' | 'xz' | 'zstd' | 'bzip2' | 'tar';

/** Bytes of a file's beginning that tell. */
export const HEAD_LENGTH = 512;

const MAGICS: readonly [packing: Packing, magic: readonly number[]][] = [
  // with the only method there is
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
];
/** "BZh", the size of the blocks, and what the first one begins with. */
const BZIP2 = /^BZh[1-9]1AY&SY/;

/** null: it is not packed, or nobody knows how. */
export function packingOf(head: Uint8Array): Packing | null {
  const found = MAGICS.find(([, magic]) => magic.every((byte, index) => head[index] === byte));
  if (found !== undefined) return found[0];
  if (BZIP2.test(String.fromCharCode(...head.subarray(0, 10)))) return 'bzip2';
  return isTarHeader(head) ? 'tar' : null;
}
