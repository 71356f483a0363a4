/** Deflate streams by hand: a writer of bits, and the plainest possible reader to check against (RFC 1951). */

/** Code lengths by symbol. */
export type Lengths = readonly number[];

/** A literal (`length` 1, `distance` 0) or a match. */
export interface Token {
  readonly length: number;
  readonly distance: number;
}

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const DISTANCE_BASE = Array.from({ length: 30 }, (_, slot) =>
  slot < 2 ? slot + 1 : 1 + (2 + (slot & 1)) * 2 ** ((slot >> 1) - 1),
);
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

const lengthExtra = (slot: number) => (slot < 8 || slot === 28 ? 0 : (slot >> 2) - 1);
const distanceExtra = (slot: number) => (slot < 4 ? 0 : (slot >> 1) - 1);

/** The fixed code's lengths (section 3.2.6). */
export const FIXED_LITLENS: Lengths = Array.from({ length: 288 }, (_, symbol) =>
  symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8,
);
export const FIXED_DISTANCES: Lengths = new Array(32).fill(5);

/** Codes by symbol, as strings of bits in the order they are sent (section 3.2.2). */
export function codesOf(lengths: Lengths): string[] {
  let code = 0;
  const codes = new Array<string>(lengths.length).fill('');
  for (let length = 1; length <= 15; length++) {
    lengths.forEach((own, symbol) => {
      if (own === length) codes[symbol] = (code++).toString(2).padStart(length, '0');
    });
    code *= 2;
  }
  return codes;
}

export class BitWriter {
  #bits: number[] = [];

  /** A number, lowest bit first. */
  number(value: number, count: number): this {
    for (let bit = 0; bit < count; bit++) this.#bits.push(Math.floor(value / 2 ** bit) & 1);
    return this;
  }

  /** A Huffman code, first bit first. */
  code(code: string): this {
    if (code === '') throw new Error('a symbol without a code');
    for (const bit of code) this.#bits.push(Number(bit));
    return this;
  }

  align(): this {
    while (this.#bits.length % 8 !== 0) this.#bits.push(0);
    return this;
  }

  /** Whole bytes; the writer must be aligned. */
  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.number(byte, 8);
    return this;
  }

  block(type: number, final = true): this {
    return this.number(final ? 1 : 0, 1).number(type, 2);
  }

  stored(bytes: readonly number[], final = true, complement = bytes.length ^ 0xffff): this {
    return this.block(0, final).align().number(bytes.length, 16).number(complement, 16).raw(bytes);
  }

  /** The header of a dynamic block, every length sent as it is, with lengths of 4 and 5 bits for the lengths' own code. */
  dynamicHeader(litlens: Lengths, distances: Lengths, final = true): this {
    const own = Array.from({ length: 19 }, (_, symbol) => (symbol < 13 ? 4 : 5));
    this.block(2, final)
      .number(litlens.length - 257, 5)
      .number(distances.length - 1, 5)
      .number(15, 4);
    for (const symbol of ORDER) this.number(own[symbol]!, 3);
    const codes = codesOf(own);
    for (const length of [...litlens, ...distances]) this.code(codes[length]!);
    return this;
  }

  /** A match with the given codes. */
  match(
    length: number,
    distance: number,
    litlens: Lengths = FIXED_LITLENS,
    distances: Lengths = FIXED_DISTANCES,
  ): this {
    const lengthSlot = LENGTH_BASE.findLastIndex((base) => base <= length);
    const slot = DISTANCE_BASE.findLastIndex((base) => base <= distance);
    this.code(codesOf(litlens)[257 + lengthSlot]!).number(length - LENGTH_BASE[lengthSlot]!, lengthExtra(lengthSlot));
    return this.code(codesOf(distances)[slot]!).number(distance - DISTANCE_BASE[slot]!, distanceExtra(slot));
  }

  /** Literals or other symbols, with the given code. */
  symbols(symbols: Iterable<number>, litlens: Lengths = FIXED_LITLENS): this {
    const codes = codesOf(litlens);
    for (const symbol of symbols) this.code(codes[symbol]!);
    return this;
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(this.#bits.length / 8));
    this.#bits.forEach((bit, index) => {
      bytes[index >> 3]! |= bit << (index & 7);
    });
    return bytes;
  }
}

/** Reads a stream bit by bit. Throws whatever is wrong with it. */
export class PlainInflate {
  readonly tokens: Token[] = [];
  /** Types of the blocks, in order. */
  readonly blocks: number[] = [];
  readonly content: number[] = [];
  #at = 0;

  /** Stops when `limit` bytes have been read, or the stream ends. */
  constructor(
    private readonly stream: Uint8Array,
    private readonly limit: number,
  ) {
    for (let final = false; !final && this.content.length < limit; ) {
      final = this.#number(1) === 1;
      this.#block(this.#number(2));
    }
  }

  #number(count: number): number {
    let value = 0;
    for (let bit = 0; bit < count; bit++, this.#at++) {
      if (this.#at >> 3 >= this.stream.length) throw new Error('the stream ends');
      value += ((this.stream[this.#at >> 3]! >> (this.#at & 7)) & 1) * 2 ** bit;
    }
    return value;
  }

  #block(type: number): void {
    this.blocks.push(type);
    if (type === 0) this.#stored();
    else if (type === 1) this.#symbols(symbolsByCode(FIXED_LITLENS), symbolsByCode(FIXED_DISTANCES));
    else if (type === 2) this.#dynamic();
    else throw new Error('block type');
  }

  #stored(): void {
    this.#at = (this.#at + 7) & ~7;
    const length = this.#number(16);
    if (this.#number(16) !== (length ^ 0xffff)) throw new Error('length and complement');
    for (let left = length; left > 0 && this.content.length < this.limit; left--) this.#literal(this.#number(8));
  }

  #dynamic(): void {
    const [litlens, distances, sent] = [this.#number(5) + 257, this.#number(5) + 1, this.#number(4) + 4];
    if (litlens > 286 || distances > 30) throw new Error('too many codes');
    const own = new Array<number>(19).fill(0);
    for (const symbol of ORDER.slice(0, sent)) own[symbol] = this.#number(3);
    if (spaceLeft(own) !== 0) throw new Error('code of lengths');
    const codes = symbolsByCode(own);
    const lengths: number[] = [];
    while (lengths.length < litlens + distances) this.#lengths(lengths, this.#symbol(codes));
    if (lengths.length > litlens + distances) throw new Error('too many lengths');
    if (lengths[256] === 0) throw new Error('no end of block');
    const parts = [lengths.slice(0, litlens), lengths.slice(litlens)];
    for (const [index, part] of parts.entries()) {
      const used = part.filter((length) => length > 0);
      const single = used.length === 1 && used[0] === 1;
      if (spaceLeft(part) !== 0 && !single && !(index === 1 && used.length === 0)) throw new Error('code');
    }
    this.#symbols(symbolsByCode(parts[0]!), symbolsByCode(parts[1]!));
  }

  #lengths(lengths: number[], symbol: number): void {
    if (symbol === 16 && lengths.length === 0) throw new Error('nothing to repeat');
    const value = symbol < 16 ? symbol : symbol === 16 ? lengths.at(-1)! : 0;
    const count = [3 + this.#number(symbol === 16 ? 2 : 0), 3 + this.#number(symbol === 17 ? 3 : 0)];
    const many = 11 + this.#number(symbol === 18 ? 7 : 0);
    const repeat = symbol < 16 ? 1 : symbol === 16 ? count[0]! : symbol === 17 ? count[1]! : many;
    lengths.push(...new Array<number>(repeat).fill(value));
  }

  #symbol(codes: ReadonlyMap<string, number>): number {
    for (let code = ''; code.length < 15; ) {
      code += this.#number(1);
      const symbol = codes.get(code);
      if (symbol !== undefined) return symbol;
    }
    throw new Error('no such code');
  }

  #literal(byte: number): void {
    this.content.push(byte);
    this.tokens.push({ length: 1, distance: 0 });
  }

  #symbols(litlens: ReadonlyMap<string, number>, distances: ReadonlyMap<string, number>): void {
    while (this.content.length < this.limit) {
      const symbol = this.#symbol(litlens);
      if (symbol === 256) return;
      if (symbol > 285) throw new Error('length symbol');
      if (symbol < 256) {
        this.#literal(symbol);
        continue;
      }
      const length = LENGTH_BASE[symbol - 257]! + this.#number(lengthExtra(symbol - 257));
      const slot = this.#symbol(distances);
      if (slot > 29) throw new Error('distance symbol');
      const distance = DISTANCE_BASE[slot]! + this.#number(distanceExtra(slot));
      if (distance > this.content.length) throw new Error('distance');
      this.tokens.push({ length, distance });
      for (let left = length; left > 0 && this.content.length < this.limit; left--) {
        this.content.push(this.content[this.content.length - distance]!);
      }
    }
  }
}

function symbolsByCode(lengths: Lengths): ReadonlyMap<string, number> {
  return new Map(codesOf(lengths).flatMap((code, symbol): [string, number][] => (code === '' ? [] : [[code, symbol]])));
}

/** Code space that is left, in units of 2^-15; below 0 if there are too many codes. */
function spaceLeft(lengths: Lengths): number {
  return lengths.reduce((left, length) => (length === 0 ? left : left - 2 ** (15 - length)), 2 ** 15);
}
