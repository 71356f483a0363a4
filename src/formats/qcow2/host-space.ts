/**
 * How far the image file reaches, and from where on it has never been written.
 *
 * Allocation runs ahead of writing, so the storage's own size says neither. `end` is what the file's length will be;
 * bytes from `untouched` on read as zeros, since nothing was ever written or promised there.
 */
export class HostSpace {
  #end: number;
  #untouched: number;

  /** @param untouched bytes from here on read as zeros; infinite where the storage does not promise that */
  constructor(end: number, untouched: number) {
    this.#end = end;
    this.#untouched = untouched;
  }

  /** Bytes that the file has, or will have once all that was placed is written. */
  get end(): number {
    return this.#end;
  }

  /** From here on the file has never been written, and reads as zeros. */
  get untouched(): number {
    return this.#untouched;
  }

  /** [offset, offset + length) is going to be written, or to be filled with zeros by the file's growth. */
  claim(offset: number, length: number): void {
    if (length === 0) return;
    this.reach(offset + length);
    this.#untouched = Math.max(this.#untouched, offset + length);
  }

  /** The file ends at `end` now. */
  cut(end: number): void {
    this.#end = end;
    if (this.#untouched !== Number.POSITIVE_INFINITY) this.#untouched = Math.min(this.#untouched, end);
  }

  /** The file is to be at least `end` bytes long; what it has not got yet reads as zeros. */
  reach(end: number): void {
    this.#end = Math.max(this.#end, end);
  }
}
