/** The end of a file, where what is new goes. */
import { roundUp } from '../../bytes.js';

export class AppendSpace {
  /** @param end byte behind the last one in use */
  constructor(public end: number) {}

  /** Takes `length` bytes at a multiple of `alignment` and returns where they begin. */
  take(length: number, alignment: number): number {
    const start = roundUp(this.end, alignment);
    this.end = start + length;
    return start;
  }
}
