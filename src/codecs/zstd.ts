/**
 * Zstandard streams of any length (RFC 8878), for platforms that bring no decoder of their own: by the package `fzstd`.
 *
 * The frames are taken apart here and handed to the decoder one by one, so that no window is larger than it can
 * handle, and no stream ends early unnoticed. What frames say of their content's checksum is not compared.
 */
import { corrupt, ImageError } from '../errors.js';
import { damagedStream, PieceReader } from './stream.js';

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** Bytes. The reference decoder allows 128 MiB; of distances from 96 MiB on `fzstd` loses a bit. */
const LARGEST_WINDOW = 96 * 1024 * 1024;
const LARGEST_BLOCK = 128 * 1024;
const BLOCK_TYPE = { raw: 0, rle: 1, compressed: 2, reserved: 3 } as const;
const CHECKSUM_SIZE = 4;

/** A `StreamDecoder`. */
export async function* decodeZstdStream(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new PieceReader(packed);
  try {
    for (;;) {
      const magic = await input.peek(4);
      if (magic.length === 0) return;
      yield* decodeFrame(input, readNumber(await input.take(4), 0, 4));
    }
  } catch (error) {
    throw damagedStream('zstd', error);
  } finally {
    await input.close();
  }
}

async function* decodeFrame(input: PieceReader, magic: number): AsyncGenerator<Uint8Array> {
  if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) return skipBytes(input, readNumber(await input.take(4), 0, 4));
  if (magic !== FRAME_MAGIC) throw damaged('a frame does not begin as one');
  const { Decompress } = await import('fzstd');
  let made: Uint8Array[] = [];
  const decoder = new Decompress((piece) => made.push(piece));
  const { header, hasChecksum } = await readHeader(input);
  decoder.push(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, ...header));
  for (let isLast = false; !isLast; ) {
    const block = await readBlock(input);
    isLast = block.isLast;
    decoder.push(block.bytes);
    yield* made;
    made = [];
  }
  if (hasChecksum) decoder.push(whole(await input.take(CHECKSUM_SIZE)));
  decoder.push(new Uint8Array(0), true);
  yield* made;
}

/** The frame header without its magic (section 3.1.1.1). */
async function readHeader(input: PieceReader): Promise<{ header: Uint8Array; hasChecksum: boolean }> {
  const descriptor = whole(await input.peek(1))[0]!;
  const isSingle = (descriptor & 0x20) !== 0;
  const dictionarySize = [0, 1, 2, 4][descriptor & 3]!;
  const contentSize = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const length = 1 + (isSingle ? 0 : 1) + dictionarySize + contentSize;
  const header = whole(await input.take(length));
  if (header.subarray(length - contentSize - dictionarySize, length - contentSize).some((byte) => byte !== 0))
    throw new ImageError('unsupported', 'Could not decompress: the zstd stream needs a dictionary');
  const window = isSingle ? contentSizeOf(header, contentSize) : windowSizeOf(header[1]!);
  if (window > LARGEST_WINDOW)
    throw new ImageError('unsupported', 'Could not decompress: the zstd stream needs a window of more than 96 MiB');
  return { header, hasChecksum: (descriptor & 4) !== 0 };
}

function windowSizeOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function contentSizeOf(header: Uint8Array, size: number): number {
  return readNumber(header, header.length - size, size) + (size === 2 ? 256 : 0);
}

async function readBlock(input: PieceReader): Promise<{ bytes: Uint8Array; isLast: boolean }> {
  const header = readNumber(await input.peek(3), 0, 3);
  const type = (header >> 1) & 3;
  const size = header >> 3;
  if (type === BLOCK_TYPE.reserved) throw damaged('a block is of an unknown type');
  if (size > LARGEST_BLOCK) throw damaged('a block is too large');
  const bytes = whole(await input.take(3 + (type === BLOCK_TYPE.rle ? 1 : size)));
  return { bytes, isLast: (header & 1) !== 0 };
}

async function skipBytes(input: PieceReader, count: number): Promise<void> {
  for (let left = count; left > 0; ) {
    const held = await input.peek(1);
    if (held.length === 0) throw damaged('it ends too early');
    const part = Math.min(left, held.length);
    input.skip(part);
    left -= part;
  }
}

function whole(bytes: Uint8Array | null): Uint8Array {
  if (bytes === null || bytes.length === 0) throw damaged('it ends too early');
  return bytes;
}

/** An unsigned number, the lowest byte first. */
function readNumber(bytes: Uint8Array | null, at: number, size: number): number {
  if (bytes === null || bytes.length < at + size) throw damaged('it ends too early');
  let value = 0;
  for (let index = size - 1; index >= 0; index--) value = value * 256 + bytes[at + index]!;
  return value;
}

function damaged(why: string): Error {
  return corrupt(`Could not decompress: the zstd stream is damaged, ${why}`);
}
