/**
 * bzip2: blocks of up to 900 kB, and around each a run-length code and a checksum.
 *
 * Specification: Joe Tsai, "BZIP2: Format Specification".
 */
import { BitReader, damaged } from './bit-reader.js';
import { BlockDecoder } from './block.js';

/** "BZh", and before each block and the end what only looks random. */
const MAGIC = 0x425a68;
const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;

const CRC_POLYNOMIAL = 0x04c11db7;
/** CRC-32 with the highest bit first, which is not the CRC-32 of other formats. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ CRC_POLYNOMIAL : crc << 1;
  return crc >>> 0;
});

/** Fills `into`. Throws `corrupt`. */
export function decodeBzip2(packed: Uint8Array, into: Uint8Array): void {
  const bits = new BitReader(packed);
  const decoder = new BlockDecoder();
  decoder.begin(readBlockSize(bits));
  let length = 0;
  const output = new BlockOutput((byte) => {
    if (length === into.length) throw damaged('it holds too many bytes');
    into[length++] = byte;
  });
  while (readBlockStart(bits)) {
    const checksum = bits.readWord();
    decoder.decode(bits, (byte) => output.write(byte));
    if (output.endBlock() !== checksum) throw damaged('a checksum is wrong');
  }
  if (length < into.length) throw damaged('it holds too few bytes');
}

/** Reads the beginning of a stream: bytes of a block at most. Throws `corrupt`. */
export function readBlockSize(bits: BitReader): number {
  if (bits.read(24) !== MAGIC) throw damaged('it does not begin as one');
  const level = bits.read(8) - 0x30;
  if (level < 1 || level > 9) throw damaged('its blocks have an unknown size');
  return level * 100_000;
}

/** Reads what stands before a block; false: before the end of the stream. Throws `corrupt`. */
export function readBlockStart(bits: BitReader): boolean {
  const magic = [bits.read(24), bits.read(24)];
  if (magic[0] === END_MAGIC[0] && magic[1] === END_MAGIC[1]) return false;
  if (magic[0] !== BLOCK_MAGIC[0] || magic[1] !== BLOCK_MAGIC[1]) throw damaged('a block does not begin as one');
  return true;
}

/** Expands runs: after four equal bytes a number tells how many more there are. */
export class BlockOutput {
  #last = -1;
  #equal = 0;
  #crc = 0xffff_ffff;

  constructor(private readonly take: (byte: number) => void) {}

  write(byte: number): void {
    if (this.#equal === 4) {
      this.#equal = 0;
      const last = this.#last;
      this.#last = -1;
      for (let count = 0; count < byte; count++) this.#put(last);
      return;
    }
    this.#equal = byte === this.#last ? this.#equal + 1 : 1;
    this.#last = byte;
    this.#put(byte);
  }

  /** The checksum of the block that ends here. */
  endBlock(): number {
    const crc = ~this.#crc >>> 0;
    this.#crc = 0xffff_ffff;
    this.#last = -1;
    this.#equal = 0;
    return crc;
  }

  #put(byte: number): void {
    this.take(byte);
    this.#crc = (this.#crc << 8) ^ CRC_TABLE[((this.#crc >>> 24) ^ byte) & 0xff]!;
  }
}
