/**
 * One block: prefix codes, of which one of several is used for fifty symbols at a time; zero runs and a move-to-front
 * list; the Burrows-Wheeler transform of the content.
 */
import { type BitReader, damaged } from './bit-reader.js';
import { LONGEST, PrefixCode } from './prefix-code.js';

/** Symbols that are read with one code before the next selector counts. */
const GROUP = 50;
/** Symbols that stand for runs of the list's first byte. */
const RUN_B = 1;

/** Decodes blocks into the same memory, one after the other. */
export class BlockDecoder {
  /** The transformed bytes, then in the upper 24 bits where each one's successor is. */
  #links = new Uint32Array(0);
  /** Bytes of a block at most. */
  #blockSize = 0;

  /** @param blockSize bytes of the blocks to come at most */
  begin(blockSize: number): void {
    this.#blockSize = blockSize;
    if (this.#links.length < blockSize) this.#links = new Uint32Array(blockSize);
  }

  /** Hands the content of the block that begins behind its checksum to `write`, byte by byte. Throws `corrupt`. */
  decode(bits: BitReader, write: (byte: number) => void): void {
    if (bits.readFlag()) throw damaged('its blocks are randomised, which nobody does any more');
    const start = bits.read(24);
    const length = this.#readBytes(bits);
    if (start >= length) throw damaged('a block begins beyond its end');
    this.#link(length);
    const links = this.#links;
    let link = links[start]! >>> 8;
    for (let count = 0; count < length; count++) {
      const entry = links[link]!;
      write(entry & 0xff);
      link = entry >>> 8;
    }
  }

  /** Reads the transformed bytes and returns how many there are. */
  #readBytes(bits: BitReader): number {
    const list = readUsedBytes(bits);
    const symbols = list.length + 2;
    const groups = bits.read(3);
    if (groups < 2 || groups > 6) throw damaged('it has a wrong number of codes');
    const selectors = readSelectors(bits, groups);
    const codes = Array.from({ length: groups }, () => readCode(bits, symbols));
    let length = 0;
    let run = 0;
    let weight = 1;
    for (let count = 0; ; count++) {
      const selector = selectors[Math.floor(count / GROUP)];
      if (selector === undefined) throw damaged('a block has too many symbols');
      const symbol = codes[selector]!.read(bits);
      if (symbol <= RUN_B) {
        run += weight << symbol;
        weight <<= 1;
        if (run > this.#blockSize) throw damaged('a block is too long');
        continue;
      }
      if (run > 0) length = this.#putRun(list[0]!, run, length);
      run = 0;
      weight = 1;
      if (symbol === symbols - 1) return length;
      if (length === this.#blockSize) throw damaged('a block is too long');
      this.#links[length++] = moveToFront(list, symbol - 1);
    }
  }

  #putRun(byte: number, count: number, at: number): number {
    if (at + count > this.#blockSize) throw damaged('a block is too long');
    this.#links.fill(byte, at, at + count);
    return at + count;
  }

  /** Where bytes are sorted, the n-th of a value is the n-th of that value in the transform. */
  #link(length: number): void {
    const links = this.#links;
    const places = new Uint32Array(256);
    for (let at = 0; at < length; at++) places[links[at]!]!++;
    for (let byte = 0, sum = 0; byte < 256; byte++) {
      sum += places[byte]!;
      places[byte] = sum - places[byte]!;
    }
    for (let at = 0; at < length; at++) {
      const place = places[links[at]! & 0xff]!++;
      links[place] = (links[place]! | (at << 8)) >>> 0;
    }
  }
}

/** The bytes that occur, ascending: a map of sixteen maps. */
function readUsedBytes(bits: BitReader): Uint8Array {
  const rows = bits.read(16);
  const used: number[] = [];
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >> row)) === 0) continue;
    const columns = bits.read(16);
    for (let column = 0; column < 16; column++) if ((columns & (0x8000 >> column)) !== 0) used.push(16 * row + column);
  }
  if (used.length === 0) throw damaged('a block has no bytes');
  return Uint8Array.from(used);
}

/** Which code is used for which group; as places in a move-to-front list, in ones. */
function readSelectors(bits: BitReader, groups: number): Uint8Array {
  const selectors = new Uint8Array(bits.read(15));
  const list = Uint8Array.from({ length: groups }, (_, index) => index);
  for (let index = 0; index < selectors.length; index++) {
    let place = 0;
    while (bits.readFlag()) place++;
    if (place >= groups) throw damaged('it selects a code that there is not');
    selectors[index] = moveToFront(list, place);
  }
  return selectors;
}

/** Lengths of codes, each as its difference to the one before. */
function readCode(bits: BitReader, symbols: number): PrefixCode {
  const lengths = new Uint8Array(symbols);
  let length = bits.read(5);
  for (let symbol = 0; symbol < symbols; symbol++) {
    while (bits.readFlag()) length += bits.readFlag() ? -1 : 1;
    if (length < 1 || length > LONGEST) throw damaged('a code is too long');
    lengths[symbol] = length;
  }
  return new PrefixCode(lengths);
}

function moveToFront(list: Uint8Array, place: number): number {
  const value = list[place]!;
  for (let at = place; at > 0; at--) list[at] = list[at - 1]!;
  list[0] = value;
  return value;
}
