/**
 * How long the stream was that a decoder has read last.
 *
 * Formats pad streams (qcow2 to sectors), so their length is known only from decoding them; whoever takes a stream over as
 * it is needs it.
 */
let length: i32 = 0;

/** Bytes; 0: the stream does not end where its content does. */
export function streamLength(): i32 {
  return length;
}

@inline
export function setStreamLength(bytes: i32): void {
  length = bytes;
}
