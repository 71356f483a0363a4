/** bzip2 streams of any length, one behind the other as parallel compressors write them. */
import { PieceReader } from '../stream.js';
import { BitReader, damaged } from './bit-reader.js';
import { BlockDecoder } from './block.js';
import { BlockOutput, readBlockSize, readBlockStart } from './bzip2.js';

/** A block never takes more: 900,000 symbols of 20 bits, and its tables. */
const LARGEST_BLOCK = 4 * 1024 * 1024;
/** Bytes of a piece that is handed out. */
const PIECE = 1024 * 1024;

/** A `StreamDecoder`. */
export async function* decodeBzip2Stream(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new PieceReader(packed);
  // One for all streams: they may be very small, and very many.
  const decoder = new BlockDecoder();
  const output = new Pieces();
  try {
    for (let first = true; ; first = false) {
      const head = await input.peek(1);
      if (head.length === 0 && !first) return;
      yield* decodeOne(input, decoder, output);
    }
  } finally {
    await input.close();
  }
}

/** One stream; `input` is left at its end. */
async function* decodeOne(input: PieceReader, decoder: BlockDecoder, output: Pieces): AsyncGenerator<Uint8Array> {
  const bits = new BitReader(await input.peek(LARGEST_BLOCK));
  decoder.begin(readBlockSize(bits));
  let combined = 0;
  for (;;) {
    input.skip(bits.rebase());
    bits.continueIn(await input.peek(LARGEST_BLOCK));
    if (!readBlockStart(bits)) break;
    const checksum = bits.readWord();
    decoder.decode(bits, output.write);
    if (output.endBlock() !== checksum) throw damaged('a checksum is wrong');
    combined = ((combined << 1) | (combined >>> 31)) ^ checksum;
    yield* output.take();
  }
  if (bits.readWord() !== combined >>> 0) throw damaged('its checksum is wrong');
  bits.dropToByte();
  input.skip(bits.rebase());
}

/** What a block holds, in pieces. */
class Pieces {
  #pieces: Uint8Array[] = [];
  /** What is left of it behind the pieces. */
  #current = new Uint8Array(PIECE);
  #length = 0;
  readonly #output = new BlockOutput((byte) => {
    if (this.#length === this.#current.length) this.#next();
    this.#current[this.#length++] = byte;
  });
  readonly write = (byte: number): void => this.#output.write(byte);

  endBlock(): number {
    return this.#output.endBlock();
  }

  take(): Uint8Array[] {
    this.#next();
    return this.#pieces.splice(0);
  }

  #next(): void {
    if (this.#length > 0) this.#pieces.push(this.#current.subarray(0, this.#length));
    this.#current = this.#current.subarray(this.#length);
    if (this.#current.length === 0) this.#current = new Uint8Array(PIECE);
    this.#length = 0;
  }
}
