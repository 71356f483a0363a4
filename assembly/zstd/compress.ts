/**
 * Zstandard encoder: one frame (RFC 8878 section 3.1.1).
 *
 * The frame is a single segment with its content size and without checksum: the decoder then knows how much memory it
 * needs and that the window is the content. Blocks of 128 KiB follow: one repeated byte as RLE block, what does not
 * become smaller as raw block, the rest as literals and sequences.
 *
 * A block is built in the workspace and copied when it is known to be worth it; a block that is not leaves no trace in
 * what the decoder remembers (offsets, tables, tree), so the encoder forgets it too.
 */
import { BLOCK_COMPRESSED, BLOCK_HEADER_SIZE, BLOCK_MAXIMUM, BLOCK_RAW, BLOCK_RLE, FRAME_MAGIC } from './format';
import { forgetTree, writeLiterals } from './literals-encode';
import { findMatches } from './levels';
import { forgetPrices } from './match-optimal';
import { literalsEnd, openBlock, openFrame } from './match-finder';
import { forgetTables, keepOffsets, openSequences, repeat1, repeat2, writeSequences } from './sequences-encode';
import { BLOCK, BLOCK_SIZE, LITERALS } from './workspace';

/** A compressed block must be shorter than the content by one byte in 64 and two more; raw blocks decode faster. */
const GAIN_SHIFT: u32 = 6;
const GAIN_MINIMUM: usize = 2;
/** Below this, the headers of a compressed block cost more than a match could save. */
const COMPRESSIBLE_MINIMUM: usize = 16;

/** Magic number, descriptor, content size of four bytes. */
const FRAME_HEADER_LIMIT: usize = 9;
/** `Single_Segment_flag` of the frame header's descriptor (section 3.1.1.1.1). */
const SINGLE_SEGMENT: u32 = 1 << 5;
const CONTENT_SIZE_FLAG: u32 = 6;

/**
 * Compresses `srcLen` bytes into one frame; `level` is 1 to 19, see levels. Returns the size of the frame in bytes, or
 * 0 if it does not fit into `dstCapacity`.
 */
export function zstdCompress(src: usize, srcLen: i32, dst: usize, dstCapacity: i32, level: i32): i32 {
  const limit = dst + dstCapacity;
  if (<usize>dstCapacity < FRAME_HEADER_LIMIT + BLOCK_HEADER_SIZE) return 0;
  let to = writeFrameHeader(srcLen, dst);
  openFrame(src, srcLen);
  openSequences();
  forgetTree();
  forgetPrices();
  const end = src + srcLen;
  let at = src;
  do {
    const size = min<usize>(BLOCK_MAXIMUM, end - at);
    to = writeBlock(at, size, at + size == end, to, limit, srcLen, level);
    if (to == 0) return 0;
    at += size;
  } while (at < end);
  return <i32>(to - dst);
}

/** The content size takes 1, 2 or 4 bytes; two bytes start counting at 256. */
function writeFrameHeader(size: u32, to: usize): usize {
  store<u32>(to, FRAME_MAGIC);
  if (size < 256) {
    store<u8>(to, <u8>SINGLE_SEGMENT, 4);
    store<u8>(to, <u8>size, 5);
    return to + 6;
  }
  if (size < 65536 + 256) {
    store<u8>(to, <u8>(SINGLE_SEGMENT | (1 << CONTENT_SIZE_FLAG)), 4);
    store<u16>(to, <u16>(size - 256), 5);
    return to + 7;
  }
  store<u8>(to, <u8>(SINGLE_SEGMENT | (2 << CONTENT_SIZE_FLAG)), 4);
  store<u32>(to, size, 5);
  return to + 9;
}

@inline
function writeBlockHeader(type: u32, size: usize, last: bool, to: usize): usize {
  const header = u32(last) | (type << 1) | (<u32>size << 3);
  store<u16>(to, <u16>header);
  store<u8>(to, <u8>(header >> 16), 2);
  return to + BLOCK_HEADER_SIZE;
}

/** Writes one block to `to`; returns its end, or 0 if it does not fit. */
function writeBlock(
  source: usize, size: usize, last: bool, to: usize, limit: usize, frameSize: u32, level: i32,
): usize {
  if (limit - to < <usize>BLOCK_HEADER_SIZE + 1) return 0;
  if (size > 1 && isRun(source, size)) {
    to = writeBlockHeader(BLOCK_RLE, size, last, to);
    store<u8>(to, load<u8>(source));
    return to + 1;
  }
  const packed = compressBlock(source, size, frameSize, level);
  const content = packed != 0 ? BLOCK : source;
  const stored = packed != 0 ? packed : size;
  if (stored > limit - to - BLOCK_HEADER_SIZE) return 0;
  to = writeBlockHeader(packed != 0 ? BLOCK_COMPRESSED : BLOCK_RAW, stored, last, to);
  memory.copy(to, content, stored);
  return to + stored;
}

/** Whether all bytes are equal: every byte equals the one before it. */
function isRun(source: usize, size: usize): bool {
  const first = load<u8>(source);
  const end = source + size;
  const pattern = i8x16.splat(first);
  let at = source;
  for (; at + 16 <= end; at += 16) {
    if (v128.any_true(v128.xor(v128.load(at), pattern))) return false;
  }
  for (; at < end; at++) if (load<u8>(at) != first) return false;
  return true;
}

/** Compresses a block into `BLOCK`; returns its size, or 0 if the block is to stay raw. */
function compressBlock(source: usize, size: usize, frameSize: u32, level: i32): usize {
  if (size < COMPRESSIBLE_MINIMUM) return 0;
  openBlock();
  findMatches(source, source + size, frameSize, level, repeat1, repeat2);
  const literals = writeLiterals(LITERALS, literalsEnd - LITERALS, BLOCK);
  const end = writeSequences(literals, BLOCK + BLOCK_SIZE);
  if (end == 0 || end - BLOCK + (size >> GAIN_SHIFT) + GAIN_MINIMUM > size) {
    forgetTables();
    forgetTree();
    return 0;
  }
  keepOffsets();
  return end - BLOCK;
}
