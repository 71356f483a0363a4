/**
 * What the host may call. Everything is flat: addresses, lengths and levels are numbers, results are numbers.
 * The memory map is exported too, so that the host never guesses an address.
 */
export { adler32, crc32, crc32c, xxh64 } from './checksum';
export { deflate } from './deflate/deflate';
export { inflate } from './inflate/inflate';
export { ARENA, OVERREAD, SCRATCH_IN, SCRATCH_OUT, SCRATCH_SIZE } from './memory';
export { sha256 } from './sha256';
export { streamLength } from './stream-length';
export { isZero, split } from './zero';
export { zstdCompress } from './zstd/compress';
export { zstdDecompress } from './zstd/decompress';
