/**
 * Apple Data Compression: a byte-wise LZ77 of literals and two kinds of matches.
 *
 *     1nnnnnnn                      literals, n + 1 of them follow
 *     00nnnndd dddddddd             n + 3 bytes from d + 1 bytes before
 *     01nnnnnn dddddddd dddddddd    n + 4 bytes from d + 1 bytes before
 */
import { corrupt } from '../../../errors.js';

/** Fills `into`. Throws `corrupt`. */
export function decodeAdc(packed: Uint8Array, into: Uint8Array): void {
  let at = 0;
  let to = 0;
  while (to < into.length) {
    if (at >= packed.length) throw damaged();
    const code = packed[at]!;
    const header = code >= 0x80 ? 1 : code >= 0x40 ? 3 : 2;
    if (at + header > packed.length) throw damaged();
    const length = code >= 0x80 ? (code & 0x7f) + 1 : code >= 0x40 ? (code & 0x3f) + 4 : (code >> 2) + 3;
    if (length > into.length - to) throw damaged();
    if (header === 1) {
      if (at + 1 + length > packed.length) throw damaged();
      into.set(packed.subarray(at + 1, at + 1 + length), to);
      at += 1 + length;
    } else {
      const distance =
        header === 2 ? ((code & 3) << 8) + packed[at + 1]! + 1 : (packed[at + 1]! << 8) + packed[at + 2]! + 1;
      if (distance > to) throw damaged();
      for (let end = to + length, from = to - distance; from + distance < end; from++)
        into[from + distance] = into[from]!;
      at += header;
    }
    to += length;
  }
}

function damaged(): Error {
  return corrupt('Could not decompress: the ADC stream is damaged');
}
