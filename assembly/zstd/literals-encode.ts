/**
 * The literals section of a block: the cheapest of raw, RLE, Huffman, and Huffman with the tree of an earlier block
 * (RFC 8878 section 3.1.1.3.1; its header is drawn in literals-decode).
 */
import { LITERALS_COMPRESSED, LITERALS_RAW, LITERALS_RLE, LITERALS_TREELESS } from './format';
import { countBytes } from './histogram';
import { buildCodes, codedBits, writeStream, writeTree } from './huffman-encode';
import { HISTOGRAM, HUFFMAN_CANDIDATE, HUFFMAN_CODES } from './workspace';

/** Fewer literals than this are not worth a tree: its description alone takes a dozen bytes. */
const HUFFMAN_MINIMUM: usize = 64;
/** With the tree of an earlier block there is nothing to describe. */
const TREELESS_MINIMUM: usize = 8;
/** Below, a jump table of 6 bytes costs more than four streams gain in decoding speed. */
const FOUR_STREAMS_MINIMUM: usize = 256;
const JUMP_TABLE_SIZE: usize = 6;
/** Nearly equal frequencies: no byte occurs more often than once in 128, and 4 times for small numbers. */
const FLAT_SHIFT: usize = 7;
const FLAT_EXCESS: usize = 4;
/** Huffman must gain one byte in 64 and two more, or raw literals, which decode faster, are kept. */
const GAIN_SHIFT: usize = 6;
const GAIN_MINIMUM: usize = 2;

/** `HUFFMAN_CODES` holds the tree that the decoder will remember. */
let treeKnown = false;

export function forgetTree(): void {
  treeKnown = false;
}

/** Writes the section for `length` literals at `source`; returns its end. */
export function writeLiterals(source: usize, length: usize, to: usize): usize {
  const minimum = treeKnown ? TREELESS_MINIMUM : HUFFMAN_MINIMUM;
  if (minimum > length) return writeRaw(source, length, to);
  countBytes(source, length);
  let most: usize = 0;
  for (let at = HISTOGRAM; at < HISTOGRAM + 1024; at += 4) most = max(most, <usize>load<u32>(at));
  if (most == length) return writeSingle(source, length, to);
  if (most <= (length >> FLAT_SHIFT) + FLAT_EXCESS) return writeRaw(source, length, to);
  const end = writeHuffman(source, length, to);
  return end != 0 ? end : writeRaw(source, length, to);
}

/** Header of raw and RLE literals; returns its end. */
function writePlainHeader(type: u32, length: usize, to: usize): usize {
  if (length < 32) {
    store<u8>(to, <u8>(type | (<u32>length << 3)));
    return to + 1;
  }
  if (length < 4096) {
    store<u16>(to, <u16>(type | (1 << 2) | (<u32>length << 4)));
    return to + 2;
  }
  store<u32>(to, type | (3 << 2) | (<u32>length << 4));
  return to + 3;
}

function writeRaw(source: usize, length: usize, to: usize): usize {
  to = writePlainHeader(LITERALS_RAW, length, to);
  memory.copy(to, source, length);
  return to + length;
}

function writeSingle(source: usize, length: usize, to: usize): usize {
  to = writePlainHeader(LITERALS_RLE, length, to);
  store<u8>(to, load<u8>(source));
  return to + 1;
}

/** Writes Huffman-coded literals with a new tree or the known one; 0 if raw literals are better. */
function writeHuffman(source: usize, length: usize, to: usize): usize {
  const limit = length - (length >> GAIN_SHIFT) - GAIN_MINIMUM;
  const headerSize: usize = length < 1024 ? 3 : length < 16384 ? 4 : 5;
  const body = to + headerSize;
  const longest = buildCodes(HUFFMAN_CANDIDATE);
  let treeSize: usize = writeTree(HUFFMAN_CANDIDATE, longest, body);
  const newSize = treeSize != 0 ? treeSize + (codedBits(HUFFMAN_CANDIDATE) >> 3) : usize.MAX_VALUE;
  const knownBits = treeKnown ? codedBits(HUFFMAN_CODES) : 0;
  const treeless = knownBits != 0 && <usize>(knownBits >> 3) <= newSize;
  if ((treeless ? <usize>(knownBits >> 3) : newSize) >= limit) return 0;
  if (treeless) {
    treeSize = 0;
  } else {
    memory.copy(HUFFMAN_CODES, HUFFMAN_CANDIDATE, 512);
    treeKnown = true;
  }
  const four = length >= FOUR_STREAMS_MINIMUM;
  const streams = body + treeSize;
  const end = four
    ? writeFourStreams(source, length, streams)
    : writeStream(HUFFMAN_CODES, source, length, streams);
  const type = treeless ? LITERALS_TREELESS : LITERALS_COMPRESSED;
  writeHuffmanHeader(type, four, length, end - body, to);
  return end;
}

function writeFourStreams(source: usize, length: usize, to: usize): usize {
  const quarter = (length + 3) >> 2;
  let at = to + JUMP_TABLE_SIZE;
  for (let part: usize = 0; part < 3; part++) {
    const end = writeStream(HUFFMAN_CODES, source + part * quarter, quarter, at);
    store<u16>(to + (part << 1), <u16>(end - at));
    at = end;
  }
  return writeStream(HUFFMAN_CODES, source + 3 * quarter, length - 3 * quarter, at);
}

/** The header in front of the tree: 3, 4 or 5 bytes, as `writeHuffman` decides by `length`. */
function writeHuffmanHeader(type: u32, four: bool, length: usize, size: usize, to: usize): void {
  const format: u32 = length < 1024 ? u32(four) : length < 16384 ? 2 : 3;
  const width: u64 = length < 1024 ? 10 : length < 16384 ? 14 : 18;
  const fields = <u64>(type | (format << 2)) | (<u64>length << 4) | (<u64>size << (4 + width));
  store<u16>(to, <u16>fields);
  store<u8>(to, <u8>(fields >> 16), 2);
  if (length >= 1024) store<u8>(to, <u8>(fields >> 24), 3);
  if (length >= 16384) store<u8>(to, <u8>(fields >> 32), 4);
}
