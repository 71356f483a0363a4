/**
 * LZFSE: blocks of literals and matches, each written as finite state entropy codes, or by LZVN, or as they are.
 *
 * Specification: Apple's reference implementation.
 */
import { viewOf } from '../../../../bytes.js';
import { Output } from '../output.js';
import { BackwardBits } from './backward-bits.js';
import { StateTable, ValueDecoder, type ValueRanges } from './entropy.js';
import { type BlockHeader, readHeader, STATES } from './header.js';
import { decodeLzvn } from './lzvn.js';

/** Magics of blocks, read with the lowest byte first. */
const MAGIC = { plain: 0x2d787662, lzvn: 0x6e787662, compressed: 0x32787662, end: 0x24787662 } as const;
const PLAIN_HEADER = 8;
const LZVN_HEADER = 12;

const SMALL = Array.from({ length: 16 }, (_, value) => value);
const NO_BITS = SMALL.map(() => 0);

/** What symbols stand for; 0 as distance is the one before. */
const LITERAL_LENGTHS: ValueRanges = { base: [...SMALL, 16, 20, 28, 60], extraBits: [...NO_BITS, 2, 3, 5, 8] };
const MATCH_LENGTHS: ValueRanges = { base: [...SMALL, 16, 24, 56, 312], extraBits: [...NO_BITS, 3, 5, 8, 11] };
const DISTANCES: ValueRanges = distances();

/** Fills `into`. Throws `corrupt`. */
export function decodeLzfse(packed: Uint8Array, into: Uint8Array): void {
  const output = new Output(into, 'LZFSE');
  for (let at = 0; ; ) {
    if (at + 4 > packed.length) throw output.damaged('it ends too early');
    if (viewOf(packed).getUint32(at, true) === MAGIC.end) break;
    at += decodeBlock(packed.subarray(at), output);
  }
  if (!output.isFull) throw output.damaged('it holds too few bytes');
}

/** Returns the bytes of the block. */
function decodeBlock(bytes: Uint8Array, output: Output): number {
  const view = viewOf(bytes);
  const field = (at: number) => {
    if (at + 4 > bytes.length) throw output.damaged('it ends too early');
    return view.getUint32(at, true);
  };
  switch (field(0)) {
    case MAGIC.plain:
      output.literals(bytes, PLAIN_HEADER, field(4));
      return PLAIN_HEADER + field(4);
    case MAGIC.lzvn: {
      const end = LZVN_HEADER + field(8);
      decodeLzvn(bytes.subarray(LZVN_HEADER, end), output);
      return end;
    }
    case MAGIC.compressed:
      return decodeCompressed(bytes, output);
    default:
      throw output.damaged('a block does not begin as one');
  }
}

function decodeCompressed(bytes: Uint8Array, output: Output): number {
  const header = readHeader(bytes, output);
  const matchesAt = header.size + header.literalBytes;
  const end = matchesAt + header.matchBytes;
  const contentEnd = output.length + header.contentSize;
  if (end > bytes.length) throw output.damaged('it ends too early');
  const literals = decodeLiterals(bytes.subarray(header.size, matchesAt), header, output);
  decodeMatches(bytes.subarray(matchesAt, end), header, literals, output);
  if (output.length !== contentEnd) throw output.damaged('a block holds another number of bytes than it says');
  return end;
}

/** Four sequences take turns. */
function decodeLiterals(bytes: Uint8Array, header: BlockHeader, output: Output): Uint8Array {
  const bits = new BackwardBits(bytes, header.literalSurplus, output);
  const table = new StateTable(STATES.literal, header.frequencies.literal, output);
  const states = header.literalStates.map((state) => table.check(state));
  const literals = new Uint8Array(header.literals);
  for (let index = 0; index < literals.length; index++) {
    const state = states[index & 3]!;
    literals[index] = table.symbol(state);
    states[index & 3] = table.follow(state, bits);
  }
  return literals;
}

function decodeMatches(bytes: Uint8Array, header: BlockHeader, literals: Uint8Array, output: Output): void {
  const { frequencies } = header;
  const bits = new BackwardBits(bytes, header.matchSurplus, output);
  const literalLengths = new ValueDecoder(
    new StateTable(STATES.literalLength, frequencies.literalLength, output),
    LITERAL_LENGTHS,
    header.literalLengthState,
  );
  const matchLengths = new ValueDecoder(
    new StateTable(STATES.matchLength, frequencies.matchLength, output),
    MATCH_LENGTHS,
    header.matchLengthState,
  );
  const distances = new ValueDecoder(
    new StateTable(STATES.distance, frequencies.distance, output),
    DISTANCES,
    header.distanceState,
  );
  let at = 0;
  let distance = 0;
  for (let match = 0; match < header.matches; match++) {
    const literalCount = literalLengths.read(bits);
    const length = matchLengths.read(bits);
    distance = distances.read(bits) || distance;
    output.literals(literals, at, literalCount);
    at += literalCount;
    if (length > 0) output.match(distance, length);
  }
}

/** Four ranges of each width. */
function distances(): ValueRanges {
  const extraBits = Array.from({ length: 64 }, (_, symbol) => symbol >> 2);
  const base: number[] = [];
  for (let symbol = 0, next = 0; symbol < 64; next += 1 << extraBits[symbol]!, symbol++) base.push(next);
  return { base, extraBits };
}
