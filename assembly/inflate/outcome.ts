/** How decoding ends: 0 is success, positive numbers are told to the host, negative ones are between the loops. */

export const OK: i32 = 0;
/** The stream ends before the output is full, or inside a symbol. */
export const TRUNCATED: i32 = 1;
/** Block type 3, or a stored block whose length and its complement differ. */
export const BAD_BLOCK: i32 = 2;
/** Code lengths that are no Huffman code, or a code that stands for nothing. */
export const BAD_CODE: i32 = 3;
/** A match that begins before the output does. */
export const BAD_DISTANCE: i32 = 4;
/** The final block ended and the output is not full. */
export const TOO_SHORT: i32 = 5;
/** A zlib stream that holds more than it should. */
export const TOO_LONG: i32 = 6;
/** The zlib header is none, or asks for a dictionary. */
export const BAD_HEADER: i32 = 7;
/** The adler32 does not match. */
export const BAD_CHECKSUM: i32 = 8;

// Of a block, and of the loops in it.
export const BLOCK_ENDED: i32 = 0;
export const NEAR_AN_END: i32 = -1;
export const OUTPUT_FULL: i32 = -2;
