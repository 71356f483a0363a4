/**
 * Apple Data Compression: a byte-wise LZ77 of literals and two kinds of matches.
 *
 *     1nnnnnnn                      literals, n + 1 of them follow
 *     00nnnndd dddddddd             n + 3 bytes from d + 1 bytes before
 *     01nnnnnn dddddddd dddddddd    n + 4 bytes from d + 1 bytes before
 */
import { Output } from './output.js';

/** Fills `into`. Throws `corrupt`. */
export function decodeAdc(packed: Uint8Array, into: Uint8Array): void {
  const output = new Output(into, 'ADC');
  for (let at = 0; !output.isFull; ) {
    const code = packed[at];
    if (code === undefined) throw output.damaged('it ends too early');
    if (code >= 0x80) {
      const count = (code & 0x7f) + 1;
      output.literals(packed, at + 1, count);
      at += 1 + count;
      continue;
    }
    const [first, second] = [packed[at + 1], packed[at + 2]];
    if (first === undefined || (code >= 0x40 && second === undefined)) throw output.damaged('it ends too early');
    if (code >= 0x40) output.match((first << 8) + second! + 1, (code & 0x3f) + 4);
    else output.match(((code & 3) << 8) + first + 1, (code >> 2) + 3);
    at += code >= 0x40 ? 3 : 2;
  }
}
