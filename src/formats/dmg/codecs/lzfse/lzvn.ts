/**
 * LZVN, which LZFSE uses for what is short: each byte says how many literals follow it, and from where how much is
 * repeated behind them.
 */
import type { Output } from '../output.js';

/** Bytes of the code that ends a block. */
const END_LENGTH = 8;

/** Decodes one block. Throws `corrupt`. */
export function decodeLzvn(packed: Uint8Array, output: Output): void {
  let at = 0;
  let distance = 0;
  const need = (length: number) => {
    if (at + length > packed.length) throw output.damaged('it ends too early');
  };
  for (;;) {
    need(1);
    const code = packed[at]!;
    if (code === 0x06) break;
    if (code === 0x0e || code === 0x16) {
      at++;
      continue;
    }
    const length = codeLength(code);
    if (length === 0) throw output.damaged('a code is unknown');
    need(length);
    const step = readStep(packed, at, code, length, distance);
    at += length;
    output.literals(packed, at, step.literals);
    at += step.literals;
    distance = step.distance;
    if (step.match > 0) output.match(distance, step.match);
  }
  need(END_LENGTH);
}

interface Step {
  literals: number;
  match: number;
  distance: number;
}

/** Bytes of a code; 0: there is none. */
function codeLength(code: number): number {
  if (code >= 0xe0) return code === 0xe0 || code === 0xf0 ? 2 : 1;
  if (code >= 0xa0 && code < 0xc0) return 3;
  if ((code >= 0x70 && code < 0x80) || code >= 0xd0) return 0;
  if ((code & 7) === 7) return 3;
  if ((code & 7) === 6) return code < 0x40 ? 0 : 1;
  return 2;
}

function readStep(packed: Uint8Array, at: number, code: number, length: number, distance: number): Step {
  const next = length > 1 ? packed[at + 1]! : 0;
  const last = length > 2 ? packed[at + 2]! : 0;
  // 1111mmmm, 11110000 mmmmmmmm: as far back as before
  if (code >= 0xf0) return { literals: 0, match: length === 1 ? code & 0xf : next + 16, distance };
  // 1110llll, 11100000 llllllll
  if (code >= 0xe0) return { literals: length === 1 ? code & 0xf : next + 16, match: 0, distance };
  // 101llmmm ddddddmm dddddddd
  if (code >= 0xa0 && code < 0xc0)
    return {
      literals: (code >> 3) & 3,
      match: (((code & 7) << 2) | (next & 3)) + 3,
      distance: (next >> 2) | (last << 6),
    };
  const literals = code >> 6;
  const match = ((code >> 3) & 7) + 3;
  // llmmm111 dddddddd dddddddd, llmmm110, llmmmddd dddddddd
  if (length === 3) return { literals, match, distance: next | (last << 8) };
  if (length === 1) return { literals, match, distance };
  return { literals, match, distance: ((code & 7) << 8) | next };
}
