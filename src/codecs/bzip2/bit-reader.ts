/** Bits of a stream, the highest of each byte first. */
import { corrupt } from '../../errors.js';

export class BitReader {
  /** Bytes that have gone to `#held`; behind the end zeros go there. */
  #at = 0;
  #held = 0;
  #count = 0;

  constructor(private bytes: Uint8Array) {}

  /** Bytes that are used up; those that follow are to be handed to `continueIn`. */
  rebase(): number {
    // whole bytes that were fetched ahead are fetched again
    const ahead = Math.min(this.#count >> 3, this.#at);
    this.#count -= 8 * ahead;
    this.#held = ahead === 4 ? 0 : this.#held >>> (8 * ahead);
    return Math.min(this.#at - ahead, this.bytes.length);
  }

  /** Goes on in other memory, which begins where `rebase` has ended. */
  continueIn(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.#at = 0;
  }

  /** Drops the rest of a byte that was begun. */
  dropToByte(): void {
    this.skip(this.#count & 7);
  }

  /** The next `count` bits, 1 to 24. Throws `corrupt` at the end. */
  read(count: number): number {
    const value = this.peek(count);
    this.skip(count);
    return value;
  }

  /** The next `count` bits, 1 to 24, which stay there; zeros behind the end. */
  peek(count: number): number {
    while (this.#count < count) {
      this.#held = (this.#held << 8) | (this.bytes[this.#at++] ?? 0);
      this.#count += 8;
    }
    return (this.#held >>> (this.#count - count)) & ((1 << count) - 1);
  }

  /** Takes bits that were peeked at. Throws `corrupt` behind the end. */
  skip(count: number): void {
    this.#count -= count;
    if (this.#at * 8 - this.#count > this.bytes.length * 8) throw damaged('it ends too early');
  }

  /** The next bit is set. */
  readFlag(): boolean {
    return this.read(1) === 1;
  }

  /** The next 32 bits. */
  readWord(): number {
    return this.read(16) * 0x10000 + this.read(16);
  }
}

/** Why a stream was refused. */
export function damaged(why: string): Error {
  return corrupt(`Could not decompress: the bzip2 stream is damaged, ${why}`);
}
