/** A file of an archive as storage: read where it lies, its holes known. */
import { ImageError } from '../errors.js';
import { gather, type MaybePromise } from '../maybe.js';
import type { ByteSource, StorageExtent } from '../storage/storage.js';
import type { SparseContent, Stretch } from './tar/sparse.js';

/** One answer tells of so many extents at most. */
const EXTENTS_AT_ONCE = 4096;

export class MemberSource implements ByteSource {
  readonly size: number;
  readonly transfer: number;
  readonly #stretches: readonly Stretch[];

  /** The archive stays the caller's. */
  constructor(
    readonly name: string,
    private readonly archive: ByteSource,
    { size, stretches }: SparseContent,
  ) {
    this.size = size;
    this.transfer = archive.transfer;
    this.#stretches = stretches;
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    const end = offset + into.length;
    if (end > this.size) throw new ImageError('io', 'Input/output error', { file: this.name, offset });
    return gather((work) => {
      let at = offset;
      for (let index = this.#indexAt(offset); at < end; index++) {
        const { start = end, length = 0, host = 0 } = this.#stretches[index] ?? {};
        const from = Math.min(Math.max(start, at), end);
        into.fill(0, at - offset, from - offset);
        at = Math.min(end, Math.max(from, start + length));
        if (at > from) work.add(this.archive.read(host + from - start, into.subarray(from - offset, at - offset)));
      }
    });
  }

  extents(offset: number, length: number): StorageExtent[] {
    const end = offset + length;
    const found: StorageExtent[] = [];
    for (let at = offset, index = this.#indexAt(offset); at < end && found.length < EXTENTS_AT_ONCE; ) {
      const stretch = this.#stretches[index];
      const hole = stretch === undefined || stretch.start > at;
      const stop = Math.min(end, hole ? (stretch?.start ?? end) : stretch.start + stretch.length);
      const last = found.at(-1);
      if (last?.hole === hole) last.length += stop - at;
      else found.push({ start: at, length: stop - at, hole });
      at = stop;
      if (!hole) index++;
    }
    return found;
  }

  async close(): Promise<void> {}

  /** Index of the first stretch that ends behind `offset`. */
  #indexAt(offset: number): number {
    let low = 0;
    let high = this.#stretches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { start, length } = this.#stretches[middle]!;
      if (start + length <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
