/**
 * What `zstdDecompress` returns instead of a size; all are negative. The host turns every one of them into `corrupt`.
 */

/** The input ends inside a frame. */
export const TRUNCATED: i32 = -1;
/** Neither a frame nor a skippable frame begins here. */
export const NOT_A_FRAME: i32 = -2;
/** A reserved bit or block type, a size or table that contradicts the format. */
export const CORRUPT: i32 = -3;
/** The frames hold more than the caller expects. */
export const TOO_LONG: i32 = -4;
/** The frame needs a dictionary. */
export const NEEDS_DICTIONARY: i32 = -5;
/** The frame's window is larger than `WINDOW_LIMIT`. */
export const WINDOW_TOO_LARGE: i32 = -6;
/** The content's checksum is not the stored one. */
export const WRONG_CHECKSUM: i32 = -7;
