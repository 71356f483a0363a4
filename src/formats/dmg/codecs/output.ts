/** Where LZ77 decoders put what they decode: literals, and matches with what is there already. */
import { corrupt } from '../../../errors.js';

export class Output {
  /** Bytes so far. */
  length = 0;

  /** @param format for messages */
  constructor(
    private readonly into: Uint8Array,
    private readonly format: string,
  ) {}

  get isFull(): boolean {
    return this.length === this.into.length;
  }

  /** Appends bytes [from, from + count) of `source`. Throws `corrupt` where one of them ends earlier. */
  literals(source: Uint8Array, from: number, count: number): void {
    if (from + count > source.length) throw this.damaged('it ends too early');
    this.#reserve(count);
    for (let index = 0; index < count; index++) this.into[this.length + index] = source[from + index]!;
    this.length += count;
  }

  /** Appends what lies `distance` bytes back, which may run into what is being appended. */
  match(distance: number, count: number): void {
    if (distance < 1 || distance > this.length) throw this.damaged('a match begins before the beginning');
    this.#reserve(count);
    const end = this.length + count;
    for (let at = this.length; at < end; at++) this.into[at] = this.into[at - distance]!;
    this.length = end;
  }

  damaged(why: string): Error {
    return corrupt(`Could not decompress: the ${this.format} stream is damaged, ${why}`);
  }

  #reserve(count: number): void {
    if (count > this.into.length - this.length) throw this.damaged('it holds too many bytes');
  }
}
