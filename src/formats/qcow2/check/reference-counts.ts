/**
 * How often each cluster of the file is referred to, counted in memory.
 *
 * Two bytes a cluster (four for refcounts of 32 bits and more), in chunks that come into being where something is
 * counted: a sparse file of any size costs only what it holds.
 */

/** Clusters in a chunk. */
const CHUNK = 64 * 1024;

type Chunk = Uint16Array | Uint32Array;

export class ReferenceCounts {
  /** The largest count: what a refcount of the image can hold. */
  readonly max: number;
  readonly #isWide: boolean;
  readonly #chunks = new Map<number, Chunk>();
  #length: number;

  /** @param refcountOrder refcounts of the image are 2^refcountOrder bits wide */
  constructor(refcountOrder: number, length: number) {
    this.max = Math.min(2 ** (2 ** refcountOrder), 2 ** 32) - 1;
    this.#isWide = refcountOrder > 4;
    this.#length = length;
  }

  /** Clusters that the file has, or would have with all that is referred to. */
  get length(): number {
    return this.#length;
  }

  get(cluster: number): number {
    return this.#chunks.get(Math.floor(cluster / CHUNK))?.[cluster % CHUNK] ?? 0;
  }

  set(cluster: number, count: number): void {
    this.reach(cluster + 1);
    this.#chunkOf(cluster)[cluster % CHUNK] = count;
  }

  /** Counts one more; false if that is more than a refcount can hold. */
  add(cluster: number): boolean {
    this.reach(cluster + 1);
    const chunk = this.#chunkOf(cluster);
    const count = chunk[cluster % CHUNK]!;
    if (count >= this.max) return false;
    chunk[cluster % CHUNK] = count + 1;
    return true;
  }

  /** The counts are to cover at least `length` clusters. */
  reach(length: number): void {
    this.#length = Math.max(this.#length, length);
  }

  /** The first cluster from `cluster` on that may have been counted; at most `end`. */
  skipUncounted(cluster: number, end: number): number {
    let at = cluster;
    while (at < end && !this.#chunks.has(Math.floor(at / CHUNK))) at = (Math.floor(at / CHUNK) + 1) * CHUNK;
    return Math.min(at, end);
  }

  clear(): void {
    this.#chunks.clear();
  }

  #chunkOf(cluster: number): Chunk {
    const index = Math.floor(cluster / CHUNK);
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = this.#isWide ? new Uint32Array(CHUNK) : new Uint16Array(CHUNK);
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }
}
