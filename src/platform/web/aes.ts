/**
 * AES, as browsers do not offer it: block by block, many blocks a call (WebCrypto has only whole modes, and a promise a
 * call).
 *
 * *Algorithm.* FIPS 197, by tables: a round replaces each column by the exclusive-or of four table entries, which hold
 * substitution, row shift and column mixing in one. Decryption is the "equivalent inverse cipher" of section 5.3.5, with
 * tables of its own and round keys that went through the inverse column mixing.
 *
 * *Side channels.* Tables leak through the processor's cache to programs on the same machine. A page that converts
 * images which its user opened has no such observer that could not read the images themselves.
 */
import { viewOf } from '../../bytes.js';
import { BLOCK, type BlockCipher } from '../../crypto/cryptography.js';

/** One direction: a table for each row of a column, and the plain substitution of the last round. */
interface Tables {
  rows: readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  box: Uint8Array;
}

/** Product with x in GF(2^8), modulo x^8 + x^4 + x^3 + x + 1. */
function double(value: number): number {
  return ((value << 1) ^ ((value >> 7) * 0x11b)) & 0xff;
}

function multiply(left: number, right: number): number {
  let product = 0;
  for (let a = left, b = right; b > 0; b >>= 1, a = double(a)) if (b & 1) product ^= a;
  return product;
}

function substitutionBox(): Uint8Array {
  const box = new Uint8Array(256);
  // All powers of 3 with their inverses, the powers of 1/3 = 0xf6.
  for (let count = 0, value = 1, inverse = 1; count < 255; count++) {
    const rotated = inverse ^ rotate(inverse, 1) ^ rotate(inverse, 2) ^ rotate(inverse, 3) ^ rotate(inverse, 4);
    box[value] = rotated ^ 0x63;
    value ^= double(value);
    inverse = multiply(inverse, 0xf6);
  }
  box[0] = 0x63;
  return box;
}

function rotate(byte: number, bits: number): number {
  return ((byte << bits) | (byte >> (8 - bits))) & 0xff;
}

/** `mix`: the column that the top byte is multiplied with. */
function tablesOf(box: Uint8Array, mix: readonly [number, number, number, number]): Tables {
  const rows = [0, 1, 2, 3].map(() => new Uint32Array(256)) as unknown as Tables['rows'];
  for (let byte = 0; byte < 256; byte++) {
    const [a, b, c, d] = mix.map((factor) => multiply(box[byte]!, factor)) as [number, number, number, number];
    const word = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    for (let row = 0; row < 4; row++) rows[row]![byte] = (word >>> (8 * row)) | (word << (32 - 8 * row));
  }
  return { rows, box };
}

function buildTables(): { forward: Tables; backward: Tables } {
  const box = substitutionBox();
  const inverse = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) inverse[box[byte]!] = byte;
  return { forward: tablesOf(box, [2, 1, 1, 3]), backward: tablesOf(inverse, [14, 9, 13, 11]) };
}

let tables: { forward: Tables; backward: Tables } | undefined;

/** AES with a key of 16, 24 or 32 bytes. */
export function aesCipher(key: Uint8Array): BlockCipher {
  tables ??= buildTables();
  const { forward, backward } = tables;
  const schedule = expandKey(key, forward.box);
  const inverseSchedule = invertKey(schedule, forward.box, backward);
  return {
    encrypt: (blocks) => transform(blocks, schedule, forward, 1),
    decrypt: (blocks) => transform(blocks, inverseSchedule, backward, 3),
  };
}

/** FIPS 197, section 5.2: four words a round. */
function expandKey(key: Uint8Array, box: Uint8Array): Uint32Array {
  const length = key.length / 4;
  const schedule = new Uint32Array(4 * (length + 7));
  const view = viewOf(key);
  const substitute = (word: number) =>
    (box[word >>> 24]! << 24) | (box[(word >>> 16) & 255]! << 16) | (box[(word >>> 8) & 255]! << 8) | box[word & 255]!;
  let constant = 1;
  for (let at = 0; at < schedule.length; at++) {
    if (at < length) {
      schedule[at] = view.getUint32(4 * at);
      continue;
    }
    let word = schedule[at - 1]!;
    if (at % length === 0) {
      word = substitute((word << 8) | (word >>> 24)) ^ (constant << 24);
      constant = double(constant);
    } else if (length > 6 && at % length === 4) word = substitute(word);
    schedule[at] = schedule[at - length]! ^ word;
  }
  return schedule;
}

/** The rounds in reverse; all but the outer ones with their columns unmixed. */
function invertKey(schedule: Uint32Array, box: Uint8Array, { rows }: Tables): Uint32Array {
  const inverse = new Uint32Array(schedule.length);
  const [t0, t1, t2, t3] = rows;
  for (let at = 0; at < schedule.length; at++) {
    const word = schedule[schedule.length - 4 - (at & ~3) + (at & 3)]!;
    const isOuter = at < 4 || at >= schedule.length - 4;
    inverse[at] = isOuter
      ? word
      : t0[box[word >>> 24]!]! ^ t1[box[(word >>> 16) & 255]!]! ^ t2[box[(word >>> 8) & 255]!]! ^ t3[box[word & 255]!]!;
  }
  return inverse;
}

/** `shift`: by how many columns the second row is moved, 1 forward or 3 backward. */
function transform(blocks: Uint8Array, schedule: Uint32Array, { rows, box }: Tables, shift: 1 | 3): Uint8Array {
  const result = new Uint8Array(blocks.length);
  const from = viewOf(blocks);
  const into = viewOf(result);
  const [t0, t1, t2, t3] = rows;
  const last = schedule.length - 4;
  const state = new Uint32Array(4);
  const next = new Uint32Array(4);
  for (let at = 0; at < blocks.length; at += BLOCK) {
    for (let column = 0; column < 4; column++) state[column] = from.getUint32(at + 4 * column) ^ schedule[column]!;
    for (let round = 4; round < last; round += 4) {
      for (let column = 0; column < 4; column++) {
        next[column] =
          t0[state[column]! >>> 24]! ^
          t1[(state[(column + shift) & 3]! >>> 16) & 255]! ^
          t2[(state[(column + 2) & 3]! >>> 8) & 255]! ^
          t3[state[(column - shift) & 3]! & 255]! ^
          schedule[round + column]!;
      }
      state.set(next);
    }
    for (let column = 0; column < 4; column++) {
      const word =
        (box[state[column]! >>> 24]! << 24) |
        (box[(state[(column + shift) & 3]! >>> 16) & 255]! << 16) |
        (box[(state[(column + 2) & 3]! >>> 8) & 255]! << 8) |
        box[state[(column - shift) & 3]! & 255]!;
      into.setUint32(at + 4 * column, word ^ schedule[last + column]!);
    }
  }
  return result;
}
