/**
 * The literals section of a compressed block (RFC 8878 section 3.1.1.3.1): header, and the literals in one of four
 * forms.
 *
 *   first byte  bits 0-1 type   bits 2-3 size format
 *   raw, RLE    size 5, 12 or 20 bits (header of 1, 2 or 3 bytes)
 *   Huffman     regenerated and compressed size, 10, 14 or 18 bits each (header of 3, 4 or 5 bytes); format 0 has
 *               one stream, the others have four
 */
import { LITERALS_COMPRESSED, LITERALS_RAW, LITERALS_RLE } from './format';
import { decodeFourStreams, decodeStream, readTree } from './huffman-decode';
import { CORRUPT, TRUNCATED } from './status';
import { LITERALS } from './workspace';

/** Four streams need this many literals, or the last would have a negative length. */
const FOUR_STREAMS_MINIMUM: u32 = 6;

/** Address and number of the literals that `decodeLiterals` found last; up to 64 bytes behind them may be loaded. */
export let literalsAt: usize = 0;
export let literalsLength: u32 = 0;

/** A tree is known, for treeless literals. */
let treeKnown = false;

/** Forgets the frame before. */
export function resetLiterals(): void {
  treeKnown = false;
}

/** Decodes the section at `at`; returns its size in bytes, or a status. */
export function decodeLiterals(at: usize, end: usize, maximum: u32): i32 {
  if (at >= end) return TRUNCATED;
  const first = <u32>load<u8>(at);
  const type = first & 3;
  return type == LITERALS_RAW || type == LITERALS_RLE
    ? decodePlain(at, end, type == LITERALS_RLE, (first >> 2) & 3, maximum)
    : decodeHuffman(at, end, type == LITERALS_COMPRESSED, (first >> 2) & 3, maximum);
}

function decodePlain(at: usize, end: usize, single: bool, format: u32, maximum: u32): i32 {
  const headerSize = format == 1 ? 2 : format == 3 ? 3 : 1;
  if (<i32>(end - at) < headerSize) return TRUNCATED;
  let length = <u32>load<u8>(at);
  if (headerSize == 1) length >>= 3;
  else if (headerSize == 2) length = <u32>load<u16>(at) >> 4;
  else length = (<u32>load<u16>(at) | (<u32>load<u8>(at, 2) << 16)) >> 4;
  if (length > maximum) return CORRUPT;
  const contentSize = single ? 1 : <i32>length;
  if (<i32>(end - at) - headerSize < contentSize) return TRUNCATED;
  literalsLength = length;
  if (single) {
    literalsAt = LITERALS;
    memory.fill(LITERALS, load<u8>(at + headerSize), length);
  } else {
    // Used where they are: the memory map promises that bytes behind a source may be loaded.
    literalsAt = at + headerSize;
  }
  return headerSize + contentSize;
}

function decodeHuffman(at: usize, end: usize, withTree: bool, format: u32, maximum: u32): i32 {
  const headerSize = format < 2 ? 3 : <i32>format + 2;
  if (<i32>(end - at) < headerSize) return TRUNCATED;
  const low = <u64>load<u16>(at) | (<u64>load<u8>(at, 2) << 16);
  const fields = headerSize == 3 ? low : <u64>load<u32>(at) | (headerSize == 5 ? <u64>load<u8>(at, 4) << 32 : 0);
  const width: u64 = format < 2 ? 10 : format == 2 ? 14 : 18;
  const mask: u64 = (<u64>1 << width) - 1;
  const length = <u32>((fields >> 4) & mask);
  const size = <i32>((fields >> (4 + width)) & mask);
  if (length > maximum) return CORRUPT;
  if (<i32>(end - at) - headerSize < size) return TRUNCATED;
  let stream = at + headerSize;
  const streamsEnd = stream + size;
  if (withTree) {
    const treeSize = readTree(stream, streamsEnd);
    if (treeSize < 0) {
      treeKnown = false;
      return treeSize;
    }
    treeKnown = true;
    stream += treeSize;
  } else if (!treeKnown) {
    return CORRUPT;
  }
  const streamsSize = <i32>(streamsEnd - stream);
  const good =
    format == 0
      ? decodeStream(stream, streamsSize, LITERALS, length)
      : length >= FOUR_STREAMS_MINIMUM && decodeFourStreams(stream, streamsSize, LITERALS, length);
  if (!good) return CORRUPT;
  literalsAt = LITERALS;
  literalsLength = length;
  return headerSize + size;
}
