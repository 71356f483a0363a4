/**
 * The sequences section: table modes, and decoding and executing in one loop (RFC 8878 sections 3.1.1.3.2, 3.1.1.4).
 *
 * Optimizations.
 * - One load of 57 bits serves a whole sequence: its extra bits and its three state updates together are nearly always
 *   shorter (64 KiB clusters: at most 16 + 16 + 16 extra bits and 26 for the states, usually less than 35). Their
 *   number is known from the three rows before any bit is read, so one test chooses between one load and three.
 * - The reader's only state is the bit position; what the next load needs is that number, not the last load's result.
 * - Sequences are executed when they are decoded: the next row look-ups overlap with the copies.
 * - Copies are wild (see copy) while a vector of output is left behind them; behind that limit a careful path takes
 *   over.
 */
import { LOADED_BITS, loadBits, streamBits, topBits } from './backward-bits';
import { carefulMatch, WILD, wildCopy, wildMatch } from './copy';
import {
  buildSingleState, buildStates, distributionLog, distributionSymbols, extraBits, nextBase, nextBits, readDistribution,
  stateValue,
} from './fse-decode';
import {
  LENGTH_LOG, LITERAL_LENGTH_BASE, LITERAL_LENGTH_BITS, LITERAL_LENGTH_CODES, LITERAL_LENGTH_DEFAULT, MATCH_LENGTH_BASE,
  MATCH_LENGTH_BITS, MATCH_LENGTH_CODES, MATCH_LENGTH_DEFAULT, MODE_FSE, MODE_PREDEFINED, MODE_RLE, OFFSET_BASE,
  OFFSET_BITS, OFFSET_CODES, OFFSET_DEFAULT, OFFSET_LOG, PREDEFINED_LENGTH_LOG, PREDEFINED_OFFSET_CODES,
  PREDEFINED_OFFSET_LOG, REPEAT_1, REPEAT_2, REPEAT_3,
} from './format';
import { CORRUPT, TRUNCATED } from './status';
import {
  COUNTS, LITERAL_LENGTH_PREDEFINED, LITERAL_LENGTH_STATES, MATCH_LENGTH_PREDEFINED, MATCH_LENGTH_STATES,
  OFFSET_PREDEFINED, OFFSET_STATES,
} from './workspace';

let predefinedReady = false;

// What a block inherits from the one before: repeated offsets, and the tables for `MODE_REPEAT` (0 while there is
// none).
let repeat1: u32 = 0;
let repeat2: u32 = 0;
let repeat3: u32 = 0;
let literalLengthTable: usize = 0;
let literalLengthLog: u32 = 0;
let offsetTable: usize = 0;
let offsetLog: u32 = 0;
let matchLengthTable: usize = 0;
let matchLengthLog: u32 = 0;

/** Forgets the frame before. */
export function resetSequences(): void {
  repeat1 = REPEAT_1;
  repeat2 = REPEAT_2;
  repeat3 = REPEAT_3;
  literalLengthTable = 0;
  offsetTable = 0;
  matchLengthTable = 0;
}

function buildPredefined(): void {
  buildStates(
    LITERAL_LENGTH_PREDEFINED,
    LITERAL_LENGTH_DEFAULT,
    LITERAL_LENGTH_CODES,
    PREDEFINED_LENGTH_LOG,
    LITERAL_LENGTH_BASE,
    LITERAL_LENGTH_BITS,
  );
  buildStates(
    MATCH_LENGTH_PREDEFINED,
    MATCH_LENGTH_DEFAULT,
    MATCH_LENGTH_CODES,
    PREDEFINED_LENGTH_LOG,
    MATCH_LENGTH_BASE,
    MATCH_LENGTH_BITS,
  );
  buildStates(
    OFFSET_PREDEFINED,
    OFFSET_DEFAULT,
    PREDEFINED_OFFSET_CODES,
    PREDEFINED_OFFSET_LOG,
    OFFSET_BASE,
    OFFSET_BITS,
  );
  predefinedReady = true;
}

// The table that `readTable` decided on.
let chosenTable: usize = 0;
let chosenLog: u32 = 0;

/**
 * Follows one table's mode: `previous` is for repetition, `predefined` and `own` are where tables live. Leaves the
 * choice in `chosenTable` and `chosenLog` and returns the bytes read at `at`, or a status.
 */
function readTable(
  mode: u32, at: usize, end: usize, symbols: u32, logLimit: u32, bases: usize, extras: usize,
  predefined: usize, predefinedLog: u32, own: usize, previous: usize, previousLog: u32,
): i32 {
  if (mode == MODE_PREDEFINED) {
    chosenTable = predefined;
    chosenLog = predefinedLog;
    return 0;
  }
  if (mode == MODE_RLE) {
    if (at >= end) return TRUNCATED;
    const symbol = <u32>load<u8>(at);
    if (symbol >= symbols) return CORRUPT;
    buildSingleState(own, symbol, bases, extras);
    chosenTable = own;
    chosenLog = 0;
    return 1;
  }
  if (mode == MODE_FSE) {
    const size = readDistribution(at, end, symbols, logLimit);
    if (size < 0) return size;
    buildStates(own, COUNTS, distributionSymbols, distributionLog, bases, extras);
    chosenTable = own;
    chosenLog = distributionLog;
    return size;
  }
  if (previous == 0) return CORRUPT;
  chosenTable = previous;
  chosenLog = previousLog;
  return 0;
}

/** Reads the three tables behind the byte of modes; returns the address of the bit stream, or 0. */
function readTables(modes: u32, at: usize, end: usize): usize {
  if (!predefinedReady) buildPredefined();
  let size = readTable(
    modes >> 6, at, end, LITERAL_LENGTH_CODES, LENGTH_LOG, LITERAL_LENGTH_BASE, LITERAL_LENGTH_BITS,
    LITERAL_LENGTH_PREDEFINED, PREDEFINED_LENGTH_LOG, LITERAL_LENGTH_STATES, literalLengthTable, literalLengthLog,
  );
  if (size < 0) return 0;
  literalLengthTable = chosenTable;
  literalLengthLog = chosenLog;
  at += size;
  size = readTable(
    (modes >> 4) & 3, at, end, OFFSET_CODES, OFFSET_LOG, OFFSET_BASE, OFFSET_BITS,
    OFFSET_PREDEFINED, PREDEFINED_OFFSET_LOG, OFFSET_STATES, offsetTable, offsetLog,
  );
  if (size < 0) return 0;
  offsetTable = chosenTable;
  offsetLog = chosenLog;
  at += size;
  size = readTable(
    (modes >> 2) & 3, at, end, MATCH_LENGTH_CODES, LENGTH_LOG, MATCH_LENGTH_BASE, MATCH_LENGTH_BITS,
    MATCH_LENGTH_PREDEFINED, PREDEFINED_LENGTH_LOG, MATCH_LENGTH_STATES, matchLengthTable, matchLengthLog,
  );
  if (size < 0) return 0;
  matchLengthTable = chosenTable;
  matchLengthLog = chosenLog;
  return at + size;
}

/** Copies the literals that no match follows; returns the end of the block's output, or 0 if they do not fit. */
@inline
function lastLiterals(literal: usize, literalEnd: usize, to: usize, blockEnd: usize): usize {
  const rest = literalEnd - literal;
  if (rest > blockEnd - to) return 0;
  memory.copy(to, literal, rest);
  return to + rest;
}

/**
 * Decodes the section from `at` to `end` and executes it on `literals` (up to `literalEnd`, wild reads allowed behind
 * it). Output goes to `to`, ends at `blockEnd` at the latest, and may be touched up to `limit`. Matches reach back to
 * `oldest`, the first byte of the frame. Returns the end of the output, or 0 if the section is malformed.
 */
export function decodeSequences(
  at: usize, end: usize, literals: usize, literalEnd: usize, to: usize, blockEnd: usize, limit: usize, oldest: usize,
): usize {
  if (at >= end) return 0;
  let sequences = <i32>load<u8>(at++);
  if (sequences == 255) {
    if (end - at < 2) return 0;
    sequences = <i32>load<u16>(at) + 0x7f00;
    at += 2;
  } else if (sequences >= 128) {
    if (at >= end) return 0;
    sequences = ((sequences - 128) << 8) + <i32>load<u8>(at++);
  }
  // The two-byte form can say 0, too.
  if (sequences == 0) return at == end ? lastLiterals(literals, literalEnd, to, blockEnd) : 0;
  if (at >= end) return 0;
  const modes = <u32>load<u8>(at++);
  if ((modes & 3) != 0) return 0;
  const stream = readTables(modes, at, end);
  if (stream == 0) return 0;
  return execute(stream, <i32>(end - stream), sequences, literals, literalEnd, to, blockEnd, limit, oldest);
}

/** The loop over the sequences; parameters as for `decodeSequences`. */
function execute(
  stream: usize, size: i32, sequences: i32,
  literal: usize, literalEnd: usize, to: usize, blockEnd: usize, limit: usize, oldest: usize,
): usize {
  let position = streamBits(stream, size);
  const firstBits = <i32>(literalLengthLog + offsetLog + matchLengthLog);
  if (position < firstBits) return 0;
  const literalLengths = literalLengthTable;
  const offsets = offsetTable;
  const matchLengths = matchLengthTable;
  const first = loadBits(stream, position);
  let literalState = load<u64>(literalLengths + (<usize>topBits(first, literalLengthLog) << 3));
  const second = first << literalLengthLog;
  let offsetState = load<u64>(offsets + (<usize>topBits(second, offsetLog) << 3));
  let matchState = load<u64>(matchLengths + (<usize>topBits(second << offsetLog, matchLengthLog) << 3));
  position -= firstBits;

  let recent1 = repeat1;
  let recent2 = repeat2;
  let recent3 = repeat3;
  const wildEnd = min(blockEnd, limit - min(limit - to, WILD));
  for (;;) {
    // No field of the rows overflows into the next one when three rows are added.
    const all = literalState + matchState + offsetState;
    const extra = extraBits(all);
    const last = --sequences == 0;
    const needed = <i32>extra + (last ? 0 : <i32>nextBits(all));
    if (position < needed) return 0;
    const short = needed <= <i32>LOADED_BITS;

    const bits = loadBits(stream, position);
    const offsetExtra = extraBits(offsetState);
    const offsetValue = stateValue(offsetState) + <u32>topBits(bits, offsetExtra);
    const lengthBits = short ? bits << offsetExtra : loadBits(stream, position - <i32>offsetExtra);
    const matchExtra = extraBits(matchState);
    const matchLength = <usize>stateValue(matchState) + <usize>topBits(lengthBits, matchExtra);
    const literalMore = topBits(lengthBits << matchExtra, extraBits(literalState));
    const literalLength = <usize>stateValue(literalState) + <usize>literalMore;
    if (!last) {
      const moveBits = short ? bits << extra : loadBits(stream, position - <i32>extra);
      const literalMove = nextBits(literalState);
      const matchMove = nextBits(matchState);
      const literalNext = nextBase(literalState) + topBits(moveBits, literalMove);
      const matchNext = nextBase(matchState) + topBits(moveBits << literalMove, matchMove);
      const offsetNext = nextBase(offsetState) + topBits(moveBits << (literalMove + matchMove), nextBits(offsetState));
      literalState = load<u64>(literalLengths + (<usize>literalNext << 3));
      matchState = load<u64>(matchLengths + (<usize>matchNext << 3));
      offsetState = load<u64>(offsets + (<usize>offsetNext << 3));
    }
    position -= needed;

    // Repeated offsets (section 3.1.1.5): without literals the first one would continue the last match, so they shift.
    let offset: u32 = offsetValue - 3;
    if (offsetValue > 3) {
      recent3 = recent2;
      recent2 = recent1;
      recent1 = offset;
    } else {
      const which = offsetValue - <u32>(literalLength != 0);
      if (which == 0) {
        offset = recent1;
      } else {
        offset = which == 1 ? recent2 : which == 2 ? recent3 : recent1 - 1;
        if (which != 1) recent3 = recent2;
        recent2 = recent1;
        recent1 = offset;
      }
    }

    const matchAt = to + literalLength;
    const next = matchAt + matchLength;
    if (literalLength > literalEnd - literal) return 0;
    // Catches offset 0 too.
    if (<usize>offset - 1 >= matchAt - oldest) return 0;
    if (next <= wildEnd) {
      wildCopy(to, literal, literalLength);
      wildMatch(matchAt, offset, matchLength);
    } else {
      if (next > blockEnd) return 0;
      memory.copy(to, literal, literalLength);
      carefulMatch(matchAt, offset, matchLength);
    }
    literal += literalLength;
    to = next;
    if (last) break;
  }
  if (position != 0) return 0;
  repeat1 = recent1;
  repeat2 = recent2;
  repeat3 = recent3;
  return lastLiterals(literal, literalEnd, to, blockEnd);
}
