/** A bit stream that is read from its end: the last bit that was written comes first. */
import type { Output } from '../output.js';

export class BackwardBits {
  /** Bits before it are still to be read. */
  #at: number;

  /** @param surplus bits of the last byte that are not part of the stream, as a number from -7 to 0 */
  constructor(
    private readonly bytes: Uint8Array,
    surplus: number,
    private readonly output: Output,
  ) {
    this.#at = 8 * bytes.length + surplus;
  }

  /** The next `count` bits, 0 to 25, of which the lowest was written first. Throws `corrupt` at the beginning. */
  read(count: number): number {
    this.#at -= count;
    if (this.#at < 0) throw this.output.damaged('it ends too early');
    const from = this.#at >> 3;
    const { bytes } = this;
    const word =
      bytes[from]! | ((bytes[from + 1] ?? 0) << 8) | ((bytes[from + 2] ?? 0) << 16) | ((bytes[from + 3] ?? 0) << 24);
    return (word >>> (this.#at & 7)) & ((1 << count) - 1);
  }
}
