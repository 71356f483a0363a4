/** The header of a compressed LZFSE block ("bvx2"): packed fields, and frequencies in a code of their own. */
import { viewOf } from '../../../../bytes.js';
import type { Output } from '../output.js';

/** Symbols of each alphabet, in the order in which their frequencies are stored. */
export const SYMBOLS = { literalLength: 20, matchLength: 20, distance: 64, literal: 256 } as const;
/** States of the tables. */
export const STATES = { literalLength: 64, matchLength: 64, distance: 256, literal: 1024 } as const;

export const MOST_LITERALS = 40_000;
export const MOST_MATCHES = 10_000;

/** Bytes before the frequencies. */
const FIXED_SIZE = 32;

export interface BlockHeader {
  /** Bytes of this header. */
  size: number;
  /** Bytes of its content. */
  contentSize: number;
  literals: number;
  matches: number;
  literalBytes: number;
  matchBytes: number;
  /** Bits of each stream's last byte that do not count, -7 to 0. */
  literalSurplus: number;
  matchSurplus: number;
  literalStates: number[];
  literalLengthState: number;
  matchLengthState: number;
  distanceState: number;
  frequencies: { [alphabet in keyof typeof SYMBOLS]: Uint16Array };
}

/** @param bytes from the block's magic on. Throws `corrupt`. */
export function readHeader(bytes: Uint8Array, output: Output): BlockHeader {
  if (bytes.length < FIXED_SIZE) throw output.damaged('it ends too early');
  const view = viewOf(bytes);
  const word = (index: number) => view.getBigUint64(8 + 8 * index, true);
  const field = (index: number, from: number, count: number) =>
    Number((word(index) >> BigInt(from)) & ((1n << BigInt(count)) - 1n));
  const size = field(2, 0, 32);
  if (size < FIXED_SIZE || size > bytes.length) throw output.damaged('it ends too early');
  const header = {
    size,
    contentSize: view.getUint32(4, true),
    literals: field(0, 0, 20),
    literalBytes: field(0, 20, 20),
    matches: field(0, 40, 20),
    literalSurplus: field(0, 60, 3) - 7,
    literalStates: [0, 10, 20, 30].map((from) => field(1, from, 10)),
    matchBytes: field(1, 40, 20),
    matchSurplus: field(1, 60, 3) - 7,
    literalLengthState: field(2, 32, 10),
    matchLengthState: field(2, 42, 10),
    distanceState: field(2, 52, 10),
    frequencies: readFrequencies(bytes.subarray(FIXED_SIZE, size), output),
  };
  if (header.literals > MOST_LITERALS || header.literals % 4 !== 0 || header.matches > MOST_MATCHES)
    throw output.damaged('a block is too long');
  // Without it, work that comes to nothing could go on for hours. Literals come in fours, the last ones unused.
  if (header.literals >= header.contentSize + 4 || header.matches > header.contentSize)
    throw output.damaged('a block holds less than it says');
  return header;
}

function readFrequencies(bytes: Uint8Array, output: Output): BlockHeader['frequencies'] {
  const all = new Uint16Array(SYMBOLS.literalLength + SYMBOLS.matchLength + SYMBOLS.distance + SYMBOLS.literal);
  let bit = 0;
  for (let index = 0; index < all.length && bytes.length > 0; index++) {
    const at = bit >> 3;
    const next = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    const { value, length } = frequencyIn(next >>> (bit & 7));
    bit += length;
    if (bit > 8 * bytes.length) throw output.damaged('it ends too early');
    all[index] = value;
  }
  const matchLengthAt = SYMBOLS.literalLength;
  const distanceAt = matchLengthAt + SYMBOLS.matchLength;
  const literalAt = distanceAt + SYMBOLS.distance;
  return {
    literalLength: all.subarray(0, matchLengthAt),
    matchLength: all.subarray(matchLengthAt, distanceAt),
    distance: all.subarray(distanceAt, literalAt),
    literal: all.subarray(literalAt),
  };
}

/** The frequency at the lowest bits: the more frequent it is, the shorter. */
function frequencyIn(bits: number): { value: number; length: number } {
  if ((bits & 1) === 0) return { value: (bits & 2) >> 1, length: 2 };
  if ((bits & 2) === 0) return { value: 2 + ((bits & 4) >> 2), length: 3 };
  if ((bits & 4) === 0) return { value: 4 + ((bits >> 3) & 3), length: 5 };
  if ((bits & 8) === 0) return { value: 8 + ((bits >> 4) & 0xf), length: 8 };
  return { value: 24 + ((bits >> 4) & 0x3ff), length: 14 };
}
