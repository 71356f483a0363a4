/**
 * Compressed clusters: read, decompress, hand out.
 *
 * Compressed clusters of neighbouring guest clusters usually lie one behind the other, sharing sectors, in the file; so
 * all that one request needs is fetched with as few reads as possible and decompressed as one batch, which a pool
 * spreads over its workers. A cluster that is wanted whole goes straight to its place. One that is wanted in part is
 * decompressed into a small cache, since the rest will be asked for next.
 */
import { corrupt, ImageError } from '../errors.js';
import type { Codec, Kernels, Unpack } from '../kernels/kernels.js';
import { type Gathering, gather, isPending, type MaybePromise } from '../maybe.js';
import { readPadded } from '../storage/padded.js';
import type { ByteSource } from '../storage/storage.js';

/** Bytes of decompressed clusters in memory; at least `FEWEST_CLUSTERS`, however large they are. */
const CACHE_BYTES = 4 * 1024 * 1024;
const FEWEST_CLUSTERS = 4;
/** Bytes. */
const SMALLEST_BUFFER = 64 * 1024;

/** One compressed cluster and the part of its content that is wanted. */
export interface PackedCluster {
  /** The stream: offset in the file, and the most bytes that it can take. */
  hostOffset: number;
  packedLength: number;
  /** Bytes of the content; absent: a cluster. */
  size?: number;
  /** Bytes of the content to skip, and the place for those that follow. */
  skip: number;
  into: Uint8Array;
  /**
   * Told the stream, without what pads it, of a cluster that is wanted whole; valid for the time of the call. Not called
   * where the stream does not end with its content.
   */
  take?: ((stream: Uint8Array) => void) | undefined;
}

/** Decompresses a batch that kernels have no codec for. Throws `corrupt`. */
export type Unpacker = (batch: readonly Unpack[]) => MaybePromise<void>;

/** A stream and the place for all of its content. */
interface Job {
  hostOffset: number;
  packedLength: number;
  into: Uint8Array;
  take?: ((stream: Uint8Array) => void) | undefined;
}

/** Streams that are fetched with one read: the bytes [start, end) of the file. */
interface Fetch {
  start: number;
  end: number;
  jobs: Job[];
}

export class PackedClusters {
  readonly #source: ByteSource;
  readonly #kernels: Kernels;
  readonly #codec: Codec | Unpacker;
  readonly #clusterSize: number;
  readonly #capacity: number;
  /** Contents by `keyOf` their stream, the least recently used first; a promise while it is made. */
  readonly #contents = new Map<number | string, MaybePromise<Uint8Array>>();

  /** @param clusterSize bytes of a cluster; of the largest one, if they differ */
  constructor(source: ByteSource, kernels: Kernels, codec: Codec | Unpacker, clusterSize: number) {
    this.#source = source;
    this.#kernels = kernels;
    this.#codec = codec;
    this.#clusterSize = clusterSize;
    this.#capacity = Math.max(FEWEST_CLUSTERS, Math.floor(CACHE_BYTES / clusterSize));
  }

  /** Fills every `into`; ascending guest offsets need the fewest reads. Throws `corrupt` for a damaged stream. */
  read(wanted: readonly PackedCluster[]): MaybePromise<void> {
    return gather((work) => this.#begin(wanted, work));
  }

  #begin(wanted: readonly PackedCluster[], work: Gathering): void {
    const jobs: Job[] = [];
    const parts: { cluster: PackedCluster; content: Uint8Array }[] = [];
    for (const cluster of wanted) {
      const { size = this.#clusterSize, take } = cluster;
      const content = take === undefined ? this.#recall(keyOf(cluster)) : undefined;
      if (content !== undefined) work.add(copyPart(content, cluster));
      else if (cluster.into.length === size) jobs.push(cluster);
      else {
        const fresh = new Uint8Array(size);
        parts.push({ cluster, content: fresh });
        jobs.push({ ...cluster, into: fresh, take: undefined });
      }
    }
    const made = this.#make(jobs);
    work.add(made);
    for (const { cluster, content } of parts) {
      const arriving = isPending(made) ? made.then(() => content) : content;
      this.#remember(keyOf(cluster), arriving);
      work.add(copyPart(arriving, cluster));
    }
  }

  /** Forgets all contents: for a writer that frees or moves compressed clusters. */
  clear(): void {
    this.#contents.clear();
  }

  #recall(key: number | string): MaybePromise<Uint8Array> | undefined {
    const content = this.#contents.get(key);
    if (content === undefined) return undefined;
    this.#contents.delete(key);
    this.#contents.set(key, content);
    return content;
  }

  #remember(key: number | string, content: MaybePromise<Uint8Array>): void {
    this.#contents.set(key, content);
    if (isPending(content)) {
      const replace = (bytes: Uint8Array | null) => {
        if (this.#contents.get(key) !== content) return;
        if (bytes === null) this.#contents.delete(key);
        else this.#contents.set(key, bytes);
      };
      content.then(replace, () => replace(null));
    }
    for (const oldest of this.#contents.keys()) {
      if (this.#contents.size <= this.#capacity) break;
      this.#contents.delete(oldest);
    }
  }

  /** Reads and decompresses all jobs. */
  #make(jobs: readonly Job[]): MaybePromise<void> {
    if (jobs.length === 0) return;
    const fetches = fetchesFor(jobs);
    for (const { start } of fetches) {
      if (start >= this.#source.size)
        throw corrupt(`Compressed cluster at offset ${start} lies beyond the end of the file`, { offset: start });
    }
    // One buffer for all: where streams lie scattered, each in one of its own would be many times their size.
    const buffer = this.#kernels.buffer(bufferLength(fetches.reduce((sum, { start, end }) => sum + end - start, 0)));
    const parts = partsFor(fetches, buffer.bytes);
    try {
      const arrived = gather((work) => {
        for (const [index, { start }] of fetches.entries()) work.add(readPadded(this.#source, start, parts[index]!));
      });
      const unpacked = isPending(arrived)
        ? arrived.then(() => this.#unpack(fetches, parts))
        : this.#unpack(fetches, parts);
      if (isPending(unpacked)) return unpacked.catch(asDamaged).finally(() => buffer.release());
    } catch (error) {
      buffer.release();
      return asDamaged(error);
    }
    buffer.release();
  }

  #unpack(fetches: readonly Fetch[], parts: readonly Uint8Array[]): MaybePromise<void> {
    const batch: Unpack[] = [];
    const takers: Job['take'][] = [];
    for (const [index, { start, jobs }] of fetches.entries()) {
      for (const { hostOffset, packedLength, into, take } of jobs) {
        const from = hostOffset - start;
        batch.push({ packed: parts[index]!.subarray(from, from + packedLength), into });
        takers.push(take);
      }
    }
    if (typeof this.#codec !== 'string') return this.#codec(batch);
    const lengths = this.#kernels.unpack(this.#codec, batch);
    if (isPending(lengths)) return lengths.then((arrived) => handOut(batch, arrived, takers));
    handOut(batch, lengths, takers);
  }
}

/** Gives the streams to those who want them. */
function handOut(batch: readonly Unpack[], lengths: readonly number[], takers: readonly Job['take'][]): void {
  for (const [index, length] of lengths.entries())
    if (length > 0) takers[index]?.(batch[index]!.packed.subarray(0, length));
}

/** Where sizes differ, damaged images may give one stream two of them. */
function keyOf({ hostOffset, size }: PackedCluster): number | string {
  return size === undefined ? hostOffset : `${hostOffset} ${size}`;
}

/** Jobs whose streams touch or share a sector, in the order of the file, become one fetch. */
function fetchesFor(jobs: readonly Job[]): Fetch[] {
  const fetches: Fetch[] = [];
  let last: Fetch | undefined;
  for (const job of jobs) {
    const { hostOffset, packedLength } = job;
    if (last !== undefined && hostOffset >= last.start && hostOffset <= last.end) {
      last.end = Math.max(last.end, hostOffset + packedLength);
      last.jobs.push(job);
    } else {
      last = { start: hostOffset, end: hostOffset + packedLength, jobs: [job] };
      fetches.push(last);
    }
  }
  return fetches;
}

/** Cuts a part of `bytes` for each fetch. */
function partsFor(fetches: readonly Fetch[], bytes: Uint8Array): Uint8Array[] {
  let at = 0;
  return fetches.map(({ start, end }) => {
    const part = bytes.subarray(at, at + end - start);
    at += part.length;
    return part;
  });
}

/** Recycled memory is kept by length; powers of two keep the number of lengths small. */
function bufferLength(length: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(length, SMALLEST_BUFFER)));
}

function copyPart(content: MaybePromise<Uint8Array>, { skip, into }: PackedCluster): MaybePromise<void> {
  if (isPending(content)) return content.then((bytes) => into.set(bytes.subarray(skip, skip + into.length)));
  into.set(content.subarray(skip, skip + into.length));
}

function asDamaged(error: unknown): never {
  if (error instanceof ImageError && error.code === 'corrupt') throw error.prefixed('Damaged compressed cluster: ');
  throw error;
}
