/**
 * Recycled run buffers.
 *
 * A fresh buffer costs a page fault every 4 KiB, as much as copying into it; so buffers are handed out again and
 * again. They are cut from the kernels' arena while it lasts, and from ordinary memory of the same kind (shared or
 * not) after that.
 */
import type { Loan } from '../loan.js';

const ALIGNMENT = 4096;

export class BufferStock {
  /** Free memory by capacity. */
  readonly #free = new Map<number, Uint8Array[]>();
  #next: number;
  readonly #end: number;

  /** `memory`'s bytes [start, end) are the stock's. */
  constructor(
    readonly memory: ArrayBufferLike,
    start: number,
    end: number,
  ) {
    this.#next = Math.ceil(start / ALIGNMENT) * ALIGNMENT;
    this.#end = end;
  }

  take(length: number): Loan {
    const capacity = Math.max(1, Math.ceil(length / ALIGNMENT)) * ALIGNMENT;
    const free = this.#free.get(capacity) ?? [];
    this.#free.set(capacity, free);
    const whole = free.pop() ?? this.#cut(capacity);
    let held = true;
    return {
      bytes: whole.length === length ? whole : whole.subarray(0, length),
      release: () => {
        if (held) free.push(whole);
        held = false;
      },
    };
  }

  #cut(capacity: number): Uint8Array {
    const start = this.#next;
    if (start + capacity <= this.#end) {
      this.#next += capacity;
      return new Uint8Array(this.memory, start, capacity);
    }
    const shared = typeof SharedArrayBuffer !== 'undefined' && this.memory instanceof SharedArrayBuffer;
    return new Uint8Array(shared ? new SharedArrayBuffer(capacity) : new ArrayBuffer(capacity));
  }
}
