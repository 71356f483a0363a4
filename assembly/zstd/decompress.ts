/**
 * Zstandard decoder: frames and blocks (RFC 8878 sections 3.1 and 3.1.1.2).
 *
 * The whole output lies in one flat buffer, so there is no window to keep: a match may reach back to the first byte of
 * its frame. The window size still bounds the size of a block, and a window larger than `WINDOW_LIMIT` is refused as
 * the reference decoder refuses it. Dictionaries are refused.
 *
 * Nothing is trusted: sizes are compared with what is left before they are used, tables are complete or refused, and
 * every loop consumes input or produces output. Loads may touch up to `OVERREAD` bytes behind the input (see the memory
 * map); bytes behind the output are never written.
 */
import { xxh64 } from '../checksum';
import { setStreamLength } from '../stream-length';
import {
  BLOCK_COMPRESSED, BLOCK_HEADER_SIZE, BLOCK_MAXIMUM, BLOCK_RAW, BLOCK_RLE, FRAME_MAGIC, SKIPPABLE_MAGIC,
  SKIPPABLE_MASK,
} from './format';
import { decodeLiterals, literalsAt, literalsLength, resetLiterals } from './literals-decode';
import { decodeSequences, resetSequences } from './sequences-decode';
import {
  CORRUPT, NEEDS_DICTIONARY, NOT_A_FRAME, TOO_LONG, TRUNCATED, WINDOW_TOO_LARGE, WRONG_CHECKSUM,
} from './status';

/** 128 MiB: the default limit of the reference decoder. */
const WINDOW_LIMIT: u64 = 1 << 27;
const WINDOW_LOG_MINIMUM: u32 = 10;

const MAGIC_SIZE: i32 = 4;
const SKIPPABLE_HEADER_SIZE: usize = 8;
const CHECKSUM_SIZE: i32 = 4;

// The header of the current frame, as `readHeader` left it.
/** No content size is stored. */
const UNKNOWN_SIZE: u64 = u64.MAX_VALUE;
let contentSize: u64 = 0;
let blockMaximum: u32 = 0;
let hasChecksum = false;

// How far the current frame has come: input behind the last block, output behind the last byte.
let inputAt: usize = 0;
let outputAt: usize = 0;

/**
 * Decodes frames from `src` until `dstCapacity` bytes are there and their frame has ended, or the input is used up;
 * what follows the last frame needed is ignored; `streamLength` tells where that is. Returns the bytes produced, or a negative status (see status).
 */
export function zstdDecompress(src: usize, srcLen: i32, dst: usize, dstCapacity: i32): i32 {
  const end = src + srcLen;
  const limit = dst + dstCapacity;
  inputAt = src;
  outputAt = dst;
  while (outputAt < limit && inputAt < end) {
    if (<i32>(end - inputAt) < MAGIC_SIZE) return TRUNCATED;
    const magic = load<u32>(inputAt);
    let status: i32;
    if (magic == FRAME_MAGIC) status = decodeFrame(end, limit);
    else if ((magic & SKIPPABLE_MASK) == SKIPPABLE_MAGIC) status = skipFrame(end);
    else return NOT_A_FRAME;
    if (status < 0) return status;
  }
  setStreamLength(<i32>(inputAt - src));
  return <i32>(outputAt - dst);
}

function skipFrame(end: usize): i32 {
  if (end - inputAt < SKIPPABLE_HEADER_SIZE) return TRUNCATED;
  const size = <usize>load<u32>(inputAt, MAGIC_SIZE);
  if (size > end - inputAt - SKIPPABLE_HEADER_SIZE) return TRUNCATED;
  inputAt += SKIPPABLE_HEADER_SIZE + size;
  return 0;
}

/**
 * Reads the frame header at `inputAt` (section 3.1.1.1) and moves behind it.
 *
 *   descriptor  bits 0-1 size of the dictionary ID   bit 2 checksum   bit 3 reserved
 *               bit 5 single segment                 bits 6-7 size of the content size
 *   then window descriptor (unless single segment), dictionary ID, content size
 */
function readHeader(end: usize): i32 {
  let at = inputAt + MAGIC_SIZE;
  if (at >= end) return TRUNCATED;
  const descriptor = <u32>load<u8>(at++);
  if ((descriptor & 8) != 0) return CORRUPT;
  hasChecksum = (descriptor & 4) != 0;
  const single = (descriptor & 32) != 0;
  const idSize: usize = (1 << (descriptor & 3)) >> 1;
  const sizeFlag = descriptor >> 6;
  const sizeSize: usize = sizeFlag == 0 ? (single ? 1 : 0) : 1 << sizeFlag;
  const windowBytes: usize = single ? 0 : 1;
  if (windowBytes + idSize + sizeSize > end - at) return TRUNCATED;
  let windowSize: u64 = 0;
  if (!single) {
    const window = <u32>load<u8>(at++);
    const base = <u64>1 << (WINDOW_LOG_MINIMUM + (window >> 3));
    windowSize = base + (base >> 3) * (window & 7);
  }
  for (const idEnd = at + idSize; at < idEnd; at++) if (load<u8>(at) != 0) return NEEDS_DICTIONARY;
  contentSize = readContentSize(at, sizeSize);
  inputAt = at + sizeSize;
  if (single) windowSize = contentSize;
  else if (windowSize > WINDOW_LIMIT) return WINDOW_TOO_LARGE;
  blockMaximum = <u32>min<u64>(windowSize, BLOCK_MAXIMUM);
  return 0;
}

@inline
function readContentSize(at: usize, size: usize): u64 {
  if (size == 1) return load<u8>(at);
  if (size == 2) return <u64>load<u16>(at) + 256;
  if (size == 4) return load<u32>(at);
  return size == 8 ? load<u64>(at) : UNKNOWN_SIZE;
}

/** Decodes the frame at `inputAt` to `outputAt` and moves both behind it. */
function decodeFrame(end: usize, limit: usize): i32 {
  const bad = readHeader(end);
  if (bad < 0) return bad;
  const start = outputAt;
  if (contentSize != UNKNOWN_SIZE && contentSize > <u64>(limit - start)) return TOO_LONG;
  resetLiterals();
  resetSequences();
  for (let last = false; !last; ) {
    if (<i32>(end - inputAt) < BLOCK_HEADER_SIZE) return TRUNCATED;
    const header = <u32>load<u16>(inputAt) | (<u32>load<u8>(inputAt, 2) << 16);
    inputAt += BLOCK_HEADER_SIZE;
    last = (header & 1) != 0;
    const status = decodeBlock((header >> 1) & 3, header >> 3, end, start, limit);
    if (status < 0) return status;
  }
  if (contentSize != UNKNOWN_SIZE && contentSize != <u64>(outputAt - start)) return CORRUPT;
  if (hasChecksum) {
    if (<i32>(end - inputAt) < CHECKSUM_SIZE) return TRUNCATED;
    if (load<u32>(inputAt) != <u32>xxh64(start, outputAt - start)) return WRONG_CHECKSUM;
    inputAt += CHECKSUM_SIZE;
  }
  return 0;
}

/** Decodes one block behind its header; `start` is the first byte of the frame's output. */
function decodeBlock(type: u32, size: u32, end: usize, start: usize, limit: usize): i32 {
  if (size > blockMaximum) return CORRUPT;
  const stored: usize = type == BLOCK_RLE ? 1 : size;
  if (stored > end - inputAt) return TRUNCATED;
  if (type == BLOCK_COMPRESSED) {
    const status = decodeCompressed(inputAt + size, start, limit);
    if (status < 0) return status;
  } else {
    if (type != BLOCK_RAW && type != BLOCK_RLE) return CORRUPT;
    if (<usize>size > limit - outputAt) return TOO_LONG;
    if (type == BLOCK_RAW) memory.copy(outputAt, inputAt, size);
    else memory.fill(outputAt, load<u8>(inputAt), size);
    outputAt += size;
  }
  inputAt += stored;
  return 0;
}

function decodeCompressed(end: usize, start: usize, limit: usize): i32 {
  const used = decodeLiterals(inputAt, end, blockMaximum);
  if (used < 0) return used;
  const blockEnd = min(outputAt + blockMaximum, limit);
  const literals = literalsAt;
  const output = decodeSequences(
    inputAt + used, end, literals, literals + literalsLength, outputAt, blockEnd, limit, start,
  );
  if (output == 0) return CORRUPT;
  outputAt = output;
  return 0;
}
