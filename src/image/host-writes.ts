/**
 * What a placed run writes: stretches of bytes and of zeros, each at its place in the file.
 *
 * Neighbours in the file that are neighbours in memory too become one write. Compressed streams are neighbours in the
 * file but not in memory: those are copied together first, since one large write costs less than many small ones.
 */
import type { Kernels } from '../kernels/kernels.js';
import { gather, isPending, type MaybePromise } from '../maybe.js';
import type { ByteSink } from '../storage/storage.js';

/** Bytes at a host offset. */
interface Part {
  offset: number;
  bytes: Uint8Array;
}

/** A stream longer than this is written by itself: copying it would cost more than a call saves. */
const LONGEST_COPIED = 256 * 1024;

export class HostWrites {
  readonly #parts: Part[] = [];
  readonly #zeros: { offset: number; length: number }[] = [];

  get isEmpty(): boolean {
    return this.#parts.length === 0 && this.#zeros.length === 0;
  }

  add(offset: number, bytes: Uint8Array): void {
    const last = this.#parts.at(-1);
    if (last !== undefined && follows(last, offset, bytes)) {
      last.bytes = new Uint8Array(last.bytes.buffer, last.bytes.byteOffset, last.bytes.length + bytes.length);
    } else this.#parts.push({ offset, bytes });
  }

  zero(offset: number, length: number): void {
    if (length > 0) this.#zeros.push({ offset, length });
  }

  /** Writes it all; `kernels` lends the memory for copying parts together. */
  write(sink: ByteSink, kernels: Kernels): MaybePromise<void> {
    sink.announce?.('write_aio');
    // Zeros first: a stretch of them never overlaps the bytes, but a storage may round it.
    const done = gather((work) => {
      for (const { offset, length } of this.#zeros) work.add(sink.zero(offset, length));
    });
    return isPending(done) ? done.then(() => this.#writeParts(sink, kernels)) : this.#writeParts(sink, kernels);
  }

  #writeParts(sink: ByteSink, kernels: Kernels): MaybePromise<void> {
    const parts = this.#parts;
    if (parts.length === 1) return sink.write(parts[0]!.offset, parts[0]!.bytes);
    return gather((work) => {
      for (let from = 0; from < parts.length; ) {
        const to = endOfNeighbours(parts, from);
        if (to - from === 1) work.add(sink.write(parts[from]!.offset, parts[from]!.bytes));
        else work.add(writeTogether(parts.slice(from, to), sink, kernels));
        from = to;
      }
    });
  }
}

function follows(last: Part, offset: number, bytes: Uint8Array): boolean {
  return (
    last.offset + last.bytes.length === offset &&
    last.bytes.buffer === bytes.buffer &&
    last.bytes.byteOffset + last.bytes.length === bytes.byteOffset
  );
}

/** Index behind the parts that lie side by side in the file, from `from` on, and are worth copying together. */
function endOfNeighbours(parts: readonly Part[], from: number): number {
  let to = from + 1;
  if (parts[from]!.bytes.length > LONGEST_COPIED) return to;
  for (; to < parts.length; to++) {
    const before = parts[to - 1]!;
    const isNeighbour = before.offset + before.bytes.length === parts[to]!.offset;
    if (!isNeighbour || parts[to]!.bytes.length > LONGEST_COPIED) break;
  }
  return to;
}

function writeTogether(parts: readonly Part[], sink: ByteSink, kernels: Kernels): MaybePromise<void> {
  const first = parts[0]!.offset;
  const last = parts.at(-1)!;
  const length = last.offset + last.bytes.length - first;
  const buffer = kernels.buffer(2 ** Math.ceil(Math.log2(length)));
  try {
    for (const { offset, bytes } of parts) buffer.bytes.set(bytes, offset - first);
    const written = sink.write(first, buffer.bytes.subarray(0, length));
    if (isPending(written)) return written.finally(() => buffer.release());
  } catch (error) {
    buffer.release();
    throw error;
  }
  buffer.release();
}
