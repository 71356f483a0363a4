/**
 * The sequences section of a block: codes, table modes by cost, and the bit stream (RFC 8878 section 3.1.1.3.2).
 *
 * Algorithm. A first pass turns offsets into offset values (1 to 3 for repeated ones, section 3.1.1.5), finds the three
 * codes of each sequence and counts them. For each kind of code the cheapest of four is taken: the predefined table,
 * one symbol for all, the table of the block before, or a new table with its description. Costs are computed from the
 * distributions, to 1/256 bit a symbol. A second pass, from the last sequence to the first, writes states and extra
 * bits.
 */
import {
  LENGTH_LOG, LITERAL_LENGTH_BASE, LITERAL_LENGTH_BITS, LITERAL_LENGTH_CODES, LITERAL_LENGTH_DEFAULT, MATCH_LENGTH_BASE,
  MATCH_LENGTH_BITS, MATCH_LENGTH_CODES, MATCH_LENGTH_DEFAULT, MINIMUM_MATCH, MODE_FSE, MODE_PREDEFINED, MODE_REPEAT,
  MODE_RLE, OFFSET_CODES, OFFSET_DEFAULT, OFFSET_LOG, PREDEFINED_LENGTH_LOG, PREDEFINED_OFFSET_CODES,
  PREDEFINED_OFFSET_LOG, REPEAT_1, REPEAT_2, REPEAT_3,
} from './format';
import { endStream, lowBits } from './forward-bits';
import {
  buildCoder, buildSingleCoder, chooseLog, coderLog, costWith, costWithCoder, emittedBits, firstState, IMPOSSIBLE,
  normalize, stateAfter, writeDistribution,
} from './fse-encode';
import { sequenceLiterals, sequenceMatch, sequenceOffset, sequencesEnd } from './match-finder';
import {
  CODES, COUNTS, DISTRIBUTION, LITERAL_LENGTH_CODER, LITERAL_LENGTH_HISTOGRAM, MATCH_LENGTH_CODER,
  MATCH_LENGTH_HISTOGRAM, OFFSET_CODER, OFFSET_HISTOGRAM, SEQUENCES, SHORT_LITERAL_LENGTH_CODES,
  SHORT_MATCH_LENGTH_CODES,
} from './workspace';

const HISTOGRAM_SIZE: usize = 256;
/** Lengths below have their code in a table; above, codes are powers of two. */
const SHORT_LITERAL_LENGTHS: u32 = 64;
const SHORT_MATCH_LENGTHS: u32 = 128;
/** Code of the length 2^n, less n, above the tables. */
const LONG_LITERAL_LENGTHS: u32 = 19;
const LONG_MATCH_LENGTHS: u32 = 36;
/** A stream is not continued when less is left, and one sequence takes less. Bytes. */
const STREAM_SLACK: usize = 32;
/**
 * After the states (26 bits at most, on top of 7), this many extra bits fit without a flush between. One bit is left free:
 * a full word could not be shifted out, as a shift by 64 is one by 0.
 */
const UNFLUSHED_EXTRA: u32 = 30;

let codeTablesReady = false;

// Offsets that the decoder remembers: after the last block that was kept, and after the block at hand.
export let repeat1: u32 = 0;
export let repeat2: u32 = 0;
export let repeat3: u32 = 0;
let pending1: u32 = 0;
let pending2: u32 = 0;
let pending3: u32 = 0;

// Whether the coders hold tables that the decoder knows from the last block that was kept.
let literalLengthsKnown = false;
let offsetsKnown = false;
let matchLengthsKnown = false;

function fillCodes(table: usize, lengths: u32, bases: usize, bias: u32): void {
  let code: u32 = 0;
  for (let length: u32 = 0; length < lengths; length++) {
    while (load<u32>(bases + ((code + 1) << 2)) <= length + bias) code++;
    store<u8>(table + length, <u8>code);
  }
}

/** Prepares for a frame. */
export function openSequences(): void {
  if (!codeTablesReady) {
    fillCodes(SHORT_LITERAL_LENGTH_CODES, SHORT_LITERAL_LENGTHS, LITERAL_LENGTH_BASE, 0);
    fillCodes(SHORT_MATCH_LENGTH_CODES, SHORT_MATCH_LENGTHS, MATCH_LENGTH_BASE, MINIMUM_MATCH);
    codeTablesReady = true;
  }
  repeat1 = REPEAT_1;
  repeat2 = REPEAT_2;
  repeat3 = REPEAT_3;
  forgetTables();
}

/** To be called when a block that was written is not used: its tables will not be known. */
export function forgetTables(): void {
  literalLengthsKnown = false;
  offsetsKnown = false;
  matchLengthsKnown = false;
}

/** To be called when a block that was written is used: its offsets will be remembered. */
export function keepOffsets(): void {
  repeat1 = pending1;
  repeat2 = pending2;
  repeat3 = pending3;
}

/** The code of a literal length. */
@inline
export function literalLengthCode(length: u32): u32 {
  return length < SHORT_LITERAL_LENGTHS
    ? <u32>load<u8>(SHORT_LITERAL_LENGTH_CODES + length)
    : 31 - clz<u32>(length) + LONG_LITERAL_LENGTHS;
}

/** The code of a match length less `MINIMUM_MATCH`. */
@inline
export function matchLengthCode(length: u32): u32 {
  return length < SHORT_MATCH_LENGTHS
    ? <u32>load<u8>(SHORT_MATCH_LENGTH_CODES + length)
    : 31 - clz<u32>(length) + LONG_MATCH_LENGTHS;
}

@inline
function increase(histogram: usize, code: u32): void {
  const at = histogram + (code << 2);
  store<u32>(at, load<u32>(at) + 1);
}

/** First pass: replaces offsets by offset values, and fills `CODES` and the histograms of codes. */
export function countCodes(): void {
  memory.fill(LITERAL_LENGTH_HISTOGRAM, 0, 3 * HISTOGRAM_SIZE);
  let recent1 = repeat1;
  let recent2 = repeat2;
  let recent3 = repeat3;
  let codes = CODES;
  for (let at = SEQUENCES, end = sequencesEnd; at < end; at += 8, codes += 4) {
    const sequence = load<u64>(at);
    const literals = sequenceLiterals(sequence);
    const offset = sequenceOffset(sequence);
    // Without literals the first repeated offset cannot be said, the others move up, and the third is the first less
    // one.
    let value = offset + 3;
    const shift = u32(literals == 0);
    if (offset == recent1 && shift == 0) {
      value = 1;
    } else {
      if (offset == recent2) {
        value = 2 - shift;
      } else {
        if (offset == recent3) value = 3 - shift;
        else if (shift != 0 && offset == recent1 - 1) value = 3;
        recent3 = recent2;
      }
      recent2 = recent1;
      recent1 = offset;
    }
    const literalCode = literalLengthCode(literals);
    const matchCode = matchLengthCode(sequenceMatch(sequence));
    const offsetCode: u32 = 31 - clz<u32>(value);
    store<u64>(at, (sequence & 0x3_ffff_ffff) | (<u64>value << 34));
    store<u32>(codes, literalCode | (matchCode << 8) | (offsetCode << 16));
    increase(LITERAL_LENGTH_HISTOGRAM, literalCode);
    increase(MATCH_LENGTH_HISTOGRAM, matchCode);
    increase(OFFSET_HISTOGRAM, offsetCode);
  }
  pending1 = recent1;
  pending2 = recent2;
  pending3 = recent3;
}

/** Mode that `chooseTable` chose. */
let chosenMode: u32 = 0;

/**
 * Chooses the mode for one kind of code, prepares `coder`, and writes the table's description to `to`; returns its end.
 * `total` codes are in `histogram`, all below `symbols`; `known`: `coder` holds the table of the block before.
 */
function chooseTable(
  histogram: usize, symbols: u32, total: u32, logLimit: u32, defaults: usize, defaultSymbols: u32, defaultLog: u32,
  coder: usize, known: bool, to: usize,
): usize {
  let last: u32 = symbols - 1;
  while (load<u32>(histogram + (last << 2)) == 0) last--;
  const single = load<u32>(histogram + (last << 2)) == total;
  const predefinedCost = last < defaultSymbols ? costWith(histogram, last + 1, defaults, defaultLog) : IMPOSSIBLE;
  const knownCost = known ? costWithCoder(histogram, last + 1, coder) : IMPOSSIBLE;
  let log: u32 = 0;
  let size: u32 = 1;
  let newCost: u32 = 8;
  if (!single) {
    log = chooseLog(total, last, logLimit);
    normalize(histogram, last + 1, total, log);
    size = writeDistribution(log, DISTRIBUTION);
    newCost = (size << 3) + costWith(histogram, last + 1, COUNTS, log);
  }
  if (knownCost <= newCost && knownCost < predefinedCost) {
    chosenMode = MODE_REPEAT;
    return to;
  }
  if (predefinedCost <= newCost) {
    chosenMode = MODE_PREDEFINED;
    buildCoder(coder, defaults, defaultSymbols, defaultLog);
    return to;
  }
  if (single) {
    chosenMode = MODE_RLE;
    buildSingleCoder(coder, last);
    store<u8>(to, <u8>last);
    return to + 1;
  }
  chosenMode = MODE_FSE;
  memory.copy(to, DISTRIBUTION, size);
  buildCoder(coder, COUNTS, last + 1, log);
  return to + size;
}

/** Number of sequences (section 3.1.1.3.2.1); returns the end. */
function writeCount(count: u32, to: usize): usize {
  if (count < 128) {
    store<u8>(to, <u8>count);
    return to + 1;
  }
  if (count < 0x7f00) {
    store<u8>(to, <u8>((count >> 8) + 128));
    store<u8>(to, <u8>count, 1);
    return to + 2;
  }
  store<u8>(to, 255);
  store<u16>(to, <u16>(count - 0x7f00), 1);
  return to + 3;
}

/** Writes the section for the match finder's sequences to `to`; returns its end, 0 if that would be behind `limit`. */
export function writeSequences(to: usize, limit: usize): usize {
  const count = <u32>(sequencesEnd - SEQUENCES) >> 3;
  to = writeCount(count, to);
  pending1 = repeat1;
  pending2 = repeat2;
  pending3 = repeat3;
  if (count == 0) return to;
  countCodes();
  const modesAt = to++;
  to = chooseTable(
    LITERAL_LENGTH_HISTOGRAM, LITERAL_LENGTH_CODES, count, LENGTH_LOG,
    LITERAL_LENGTH_DEFAULT, LITERAL_LENGTH_CODES, PREDEFINED_LENGTH_LOG, LITERAL_LENGTH_CODER, literalLengthsKnown, to,
  );
  let modes = chosenMode << 6;
  to = chooseTable(
    OFFSET_HISTOGRAM, OFFSET_CODES, count, OFFSET_LOG,
    OFFSET_DEFAULT, PREDEFINED_OFFSET_CODES, PREDEFINED_OFFSET_LOG, OFFSET_CODER, offsetsKnown, to,
  );
  modes |= chosenMode << 4;
  to = chooseTable(
    MATCH_LENGTH_HISTOGRAM, MATCH_LENGTH_CODES, count, LENGTH_LOG,
    MATCH_LENGTH_DEFAULT, MATCH_LENGTH_CODES, PREDEFINED_LENGTH_LOG, MATCH_LENGTH_CODER, matchLengthsKnown, to,
  );
  store<u8>(modesAt, <u8>(modes | (chosenMode << 2)));
  literalLengthsKnown = true;
  offsetsKnown = true;
  matchLengthsKnown = true;
  return writeSequenceStream(count, to, limit);
}

/**
 * Second pass: the bit stream, from the last sequence to the first. Returns its end, 0 if that would be behind `limit`.
 */
function writeSequenceStream(count: u32, to: usize, limit: usize): usize {
  let sequenceAt = SEQUENCES + ((count - 1) << 3);
  let codes = load<u32>(CODES + ((count - 1) << 2));
  let codesAt = CODES + ((count - 1) << 2);
  let literalState = firstState(LITERAL_LENGTH_CODER, codes & 0xff);
  let matchState = firstState(MATCH_LENGTH_CODER, (codes >> 8) & 0xff);
  let offsetState = firstState(OFFSET_CODER, codes >> 16);
  const stop = limit - STREAM_SLACK;
  let bits: u64 = 0;
  let used: u32 = 0;
  for (;;) {
    const sequence = load<u64>(sequenceAt);
    const literalExtra = <u32>load<u8>(LITERAL_LENGTH_BITS + (codes & 0xff));
    const matchExtra = <u32>load<u8>(MATCH_LENGTH_BITS + ((codes >> 8) & 0xff));
    const offsetExtra = codes >> 16;
    if (literalExtra + matchExtra + offsetExtra > UNFLUSHED_EXTRA) {
      store<u64>(to, bits);
      to += used >> 3;
      bits >>= used & ~7;
      used &= 7;
    }
    bits |= lowBits(sequenceLiterals(sequence), literalExtra) << used;
    used += literalExtra;
    bits |= lowBits(sequenceMatch(sequence), matchExtra) << used;
    used += matchExtra;
    bits |= lowBits(sequenceOffset(sequence), offsetExtra) << used;
    used += offsetExtra;
    if (to > stop) return 0;
    store<u64>(to, bits);
    to += used >> 3;
    bits >>= used & ~7;
    used &= 7;
    if (sequenceAt == SEQUENCES) break;

    sequenceAt -= 8;
    codesAt -= 4;
    codes = load<u32>(codesAt);
    const offsetCode = codes >> 16;
    const offsetBits = emittedBits(OFFSET_CODER, offsetState, offsetCode);
    bits |= lowBits(offsetState, offsetBits) << used;
    used += offsetBits;
    offsetState = stateAfter(OFFSET_CODER, offsetState, offsetCode, offsetBits);
    const matchCode = (codes >> 8) & 0xff;
    const matchBits = emittedBits(MATCH_LENGTH_CODER, matchState, matchCode);
    bits |= lowBits(matchState, matchBits) << used;
    used += matchBits;
    matchState = stateAfter(MATCH_LENGTH_CODER, matchState, matchCode, matchBits);
    const literalCode = codes & 0xff;
    const literalBits = emittedBits(LITERAL_LENGTH_CODER, literalState, literalCode);
    bits |= lowBits(literalState, literalBits) << used;
    used += literalBits;
    literalState = stateAfter(LITERAL_LENGTH_CODER, literalState, literalCode, literalBits);
  }
  const matchLog = coderLog(MATCH_LENGTH_CODER);
  bits |= lowBits(matchState, matchLog) << used;
  used += matchLog;
  const offsetLog = coderLog(OFFSET_CODER);
  bits |= lowBits(offsetState, offsetLog) << used;
  used += offsetLog;
  const literalLog = coderLog(LITERAL_LENGTH_CODER);
  bits |= lowBits(literalState, literalLog) << used;
  used += literalLog;
  return endStream(to, bits, used);
}
