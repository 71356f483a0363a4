/** Prefix codes in canonical form: codes of one length count upwards, in the order of their symbols. */
import { type BitReader, damaged } from './bit-reader.js';

/** Longest code in bits. */
export const LONGEST = 20;
/** Codes of up to so many bits are looked up at once. */
const LOOKED_UP = 10;
/** Bits of an entry of the lookup table that hold the code's length; above them is the symbol. */
const LENGTH_BITS = 5;

export class PrefixCode {
  /** By length: the first code behind those of this length, and what to add to a code for its place in `#symbols`. */
  readonly #ends = new Int32Array(LONGEST + 1);
  readonly #shifts = new Int32Array(LONGEST + 1);
  readonly #symbols: Uint16Array;
  /** By the next bits; 0: a longer code, or none. */
  readonly #table = new Uint16Array(1 << LOOKED_UP);

  /** @param lengths of each symbol's code, 1 to 20 bits */
  constructor(lengths: Uint8Array) {
    this.#symbols = new Uint16Array(lengths.length);
    let code = 0;
    let place = 0;
    for (let length = 1; length <= LONGEST; length++) {
      code <<= 1;
      this.#shifts[length] = place - code;
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] !== length) continue;
        this.#symbols[place++] = symbol;
        this.#enter(code++, length, symbol);
      }
      this.#ends[length] = code;
    }
  }

  /** The next symbol. Throws `corrupt` for a code that there is not. */
  read(bits: BitReader): number {
    const entry = this.#table[bits.peek(LOOKED_UP)]!;
    if (entry === 0) return this.#readLong(bits);
    bits.skip(entry & ((1 << LENGTH_BITS) - 1));
    return entry >>> LENGTH_BITS;
  }

  #enter(code: number, length: number, symbol: number): void {
    if (length > LOOKED_UP) return;
    const free = LOOKED_UP - length;
    this.#table.fill((symbol << LENGTH_BITS) | length, code << free, (code + 1) << free);
  }

  #readLong(bits: BitReader): number {
    let code = 0;
    for (let length = 1; length <= LONGEST; length++) {
      code = (code << 1) | bits.read(1);
      if (code >= this.#ends[length]!) continue;
      const symbol = this.#symbols[code + this.#shifts[length]!];
      if (symbol !== undefined) return symbol;
      break;
    }
    throw damaged('a code is unknown');
  }
}
