/**
 * XZ streams, by the package `xz-decompress`: XZ Embedded as WebAssembly, some 20 kB. It takes streams one behind the other,
 * checksums CRC-32 and CRC-64, and dictionaries of up to 64 MiB, which is what `xz -9` uses.
 */
import { corrupt, ImageError } from '../errors.js';
import { readableOf } from './stream.js';

/** XZ Embedded's `xz_ret`, as the package puts it at the end of its messages. */
const REASONS: ReadonlyMap<number, ImageError> = new Map([
  [4, new ImageError('unsupported', 'Could not decompress: the xz stream needs a dictionary of more than 64 MiB')],
  [
    6,
    new ImageError('unsupported', 'Could not decompress: the xz stream uses a filter or a check that is not supported'),
  ],
  [8, damaged('it ends too early')],
]);

/** A `StreamDecoder`. */
export async function* decodeXzStream(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { XzReadableStream } = await import('xz-decompress');
  const reader = new XzReadableStream(readableOf(packed)).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw reasonOf(error);
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Fills `into` from a stream that holds just so much. Throws `corrupt`. */
export async function decodeXz(packed: Uint8Array, into: Uint8Array): Promise<void> {
  let at = 0;
  for await (const piece of decodeXzStream(once(packed))) {
    if (piece.length > into.length - at) throw damaged('it holds too many bytes');
    into.set(piece, at);
    at += piece.length;
  }
  if (at < into.length) throw damaged('it holds too few bytes');
}

async function* once(piece: Uint8Array): AsyncGenerator<Uint8Array> {
  yield piece;
}

function damaged(why: string): ImageError {
  return corrupt(`Could not decompress: the xz stream is damaged, ${why}`);
}

function reasonOf(error: unknown): unknown {
  const code = error instanceof Error ? /error code (\d+)$/.exec(error.message)?.[1] : undefined;
  if (code === undefined) return error;
  return REASONS.get(Number(code)) ?? corrupt('Could not decompress: the xz stream is damaged');
}
