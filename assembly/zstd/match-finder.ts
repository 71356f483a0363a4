/**
 * What all match finders share: positions, hashes, lengths, and the list of sequences they produce.
 *
 * Positions. Match tables hold u32 positions, which do not start at 0 for every frame but continue from frame to frame.
 * So a table never has to be cleared between frames (at 64 KiB a frame that would cost a tenth of the time): whatever
 * an earlier frame left lies below `frameStart` and is ignored, exactly as an empty entry is. Hence the result does not
 * depend on what was compressed before. Tables are cleared when positions come near 2^31.
 *
 * Hashes. A word of 4 to 8 bytes is multiplied by 2^64 divided by the golden ratio (Fibonacci hashing, Knuth, TAOCP
 * 6.4); bytes that do not belong to the word are shifted out first.
 *
 * Sequences. One u64 each: literal length in bits 0-16, match length minus 3 in bits 17-33, offset in bits 34-63. A
 * block has at most 128 KiB, so both lengths fit 17 bits. Offsets are true distances; whether one repeats an earlier
 * offset is found out when the block is encoded, where the history is known exactly.
 */
import { wildCopy } from './copy';
import { MINIMUM_MATCH } from './format';
import { checkWorkspace, FIRST_TABLE, LITERALS, SEQUENCES, WORKSPACE_END } from './workspace';

/** Positions start again when they would pass this. */
const POSITION_LIMIT: u32 = 0x8000_0000;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/** No search begins in the last bytes of a block: a word of 8 bytes is hashed. */
export const HASHED_BYTES: usize = 8;

/** Matches of fewer bytes are not looked for. */
export const SEARCH_MINIMUM: usize = 4;

/**
 * Literals since the last match, as a power of two, after which a search moves on by one more byte a step:
 * incompressible stretches are crossed faster and faster.
 */
export const SKIP_SHIFT: usize = 8;

/** Position of the frame's first byte; address of position 0 (which may lie below address 0, modulo 2^32). */
export let frameStart: u32 = 0;
export let positionBase: usize = 0;
let nextPosition: u32 = 0;
let frameLength: u32 = 0;
/** First position that is not in the tables yet, for finders that enter every one. */
export let nextInsert: u32 = 0;

/** Ends of the lists that the match finder fills. */
export let sequencesEnd: usize = SEQUENCES;
export let literalsEnd: usize = LITERALS;

/** Gives positions to the `length` bytes at `source`. */
export function openFrame(source: usize, length: u32): void {
  // 0 means an empty entry, so the first position is 1; before the first frame the tables may hold anything.
  if (nextPosition == 0 || length > POSITION_LIMIT - nextPosition) {
    checkWorkspace();
    memory.fill(FIRST_TABLE, 0, WORKSPACE_END - FIRST_TABLE);
    nextPosition = 1;
  }
  frameStart = nextPosition;
  frameLength = length;
  nextInsert = nextPosition;
  positionBase = source - nextPosition;
  nextPosition += length;
}

/** Gives new positions to the frame, so that nothing of it is in the tables. */
export function reopenFrame(): void {
  openFrame(positionBase + frameStart, frameLength);
}

export function setNextInsert(position: u32): void {
  nextInsert = position;
}

/** Empties the lists for the next block. */
export function openBlock(): void {
  sequencesEnd = SEQUENCES;
  literalsEnd = LITERALS;
}

/** Where the entry of an 8-byte word lies in its table, in bytes; `shift` is 64 less the log of the table's entries. */
@inline
export function hashLong(word: u64, shift: u64): usize {
  return <usize>((word * GOLDEN) >> shift) << 2;
}

/** The same for the first bytes of `word`; `drop` is 64 less the bits that count. */
@inline
export function hashShort(word: u64, drop: u64, shift: u64): usize {
  return <usize>(((word << drop) * GOLDEN) >> shift) << 2;
}

/** How many bytes are equal at `at` and `other`, up to `end`; loads up to 8 bytes more. */
@inline
export function matchLength(at: usize, other: usize, end: usize): usize {
  const start = at;
  while (at < end) {
    const difference = load<u64>(at) ^ load<u64>(other);
    if (difference != 0) return min(at + <usize>(ctz<u64>(difference) >> 3), end) - start;
    at += 8;
    other += 8;
  }
  return end - start;
}

/** How many bytes before `at` and `other` are equal, back to `anchor` and `oldest` at most. */
@inline
export function commonBefore(at: usize, other: usize, anchor: usize, oldest: usize): usize {
  const start = at;
  while (at > anchor && other > oldest && load<u8>(at - 1) == load<u8>(other - 1)) {
    at--;
    other--;
  }
  return start - at;
}

/** Adds a sequence: `literals` bytes from `anchor`, then a match. */
export function addSequence(anchor: usize, literals: usize, offset: u32, length: usize): void {
  wildCopy(literalsEnd, anchor, literals);
  literalsEnd += literals;
  const lengths = <u64>literals | (<u64>(length - MINIMUM_MATCH) << 17);
  store<u64>(sequencesEnd, lengths | (<u64>offset << 34));
  sequencesEnd += 8;
}

/** Adds the literals behind the last match. */
export function addLastLiterals(anchor: usize, end: usize): void {
  memory.copy(literalsEnd, anchor, end - anchor);
  literalsEnd += end - anchor;
}

@inline
export function sequenceLiterals(sequence: u64): u32 {
  return <u32>sequence & 0x1ffff;
}

/** Length of the match less `MINIMUM_MATCH`. */
@inline
export function sequenceMatch(sequence: u64): u32 {
  return <u32>(sequence >> 17) & 0x1ffff;
}

@inline
export function sequenceOffset(sequence: u64): u32 {
  return <u32>(sequence >> 34);
}
