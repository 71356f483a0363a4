/** Compressed streams of any length, a piece at a time. */
import { corrupt, ImageError } from '../errors.js';

/**
 * Decompresses a stream that comes in pieces. A piece is the receiver's, on both sides. Throws `corrupt` where the stream is
 * damaged or ends too early.
 */
export type StreamDecoder = (packed: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** A damaged stream of a format, and what its decoder says of it. */
export function damagedStream(format: string, cause: unknown): ImageError {
  if (cause instanceof ImageError) return cause;
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return corrupt(`Could not decompress: the ${format} stream is damaged${why}`, { cause });
}

/** Pieces as a stream of the web's kind; it asks for one when it wants one, and ends them when it is cancelled. */
export function readableOf(pieces: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

/** Reads a stream in portions of one's own choice. */
export class PieceReader {
  #rest: Uint8Array = new Uint8Array(0);
  readonly #pieces: AsyncIterator<Uint8Array>;
  #ended = false;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** All that is held, after fetching until it is at least `least` bytes or the stream has ended; it stays held. */
  async peek(least: number): Promise<Uint8Array> {
    const held = [this.#rest];
    let length = this.#rest.length;
    while (length < least && !this.#ended) {
      const { done, value } = await this.#pieces.next();
      if (done) this.#ended = true;
      else {
        held.push(value);
        length += value.length;
      }
    }
    if (held.length > 1) this.#rest = joined(held, length);
    return this.#rest;
  }

  /** Drops bytes that are held. */
  skip(count: number): void {
    this.#rest = this.#rest.subarray(count);
  }

  /** The next `count` bytes; null where the stream ends before. */
  async take(count: number): Promise<Uint8Array | null> {
    const held = await this.peek(count);
    if (held.length < count) return null;
    this.skip(count);
    return held.subarray(0, count);
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
