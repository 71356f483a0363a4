/** Reading a block-mapped disk. */
import type { SectorCipher } from '../../crypto/sector-cipher.js';
import { ImageError } from '../../errors.js';
import { type Gathering, gather, isPending, type MaybePromise } from '../../maybe.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource, StorageExtent } from '../../storage/storage.js';
import { DecryptedSource } from '../encrypted-store.js';
import type { BackingReference, BitmapInfo, Extent, Image, ImageDetails } from '../image.js';
import { type Lineage, objectionTo } from '../lineage.js';
import type { PackedCluster, PackedClusters } from '../packed.js';
import { appendExtent } from '../stretches.js';
import { type BlockMap, type BlockPlace, isStored, UNALLOCATED } from './block-map.js';

/** One answer of `extents` asks the map so often at most. */
const STEPS_AT_ONCE = 4096;

export interface BlockImageParts {
  readonly format: string;
  /** Holds the tables; and the blocks, unless `data` does. */
  readonly source: ByteSource;
  readonly map: BlockMap;
  /** Guest disk in bytes. */
  readonly size: number;
  readonly backing?: BackingReference | null;
  /** Absent: the format has none. */
  readonly bitmaps?: readonly BitmapInfo[];
  readonly unreadable?: ImageError | null;
  /** Decrypts blocks, sectors counted in the guest's disk; absent or null: they are not encrypted. */
  readonly cipher?: SectorCipher | null;
  details(): ImageDetails;
  /** Reads compressed blocks; absent where there are none. */
  readonly packed?: PackedClusters;
  /** Absent: nobody would know a changed parent. */
  readonly lineage?: Lineage;
  /** All blocks have a place from the start, and the file's own holes tell which of them hold data. */
  readonly preallocated?: boolean;
}

export class BlockImage implements Image {
  readonly format: string;
  /** Only an editor changes it. */
  size: number;
  readonly clusterSize: number;
  readonly backing: BackingReference | null;
  readonly snapshots = [];
  readonly bitmaps?: readonly BitmapInfo[];
  readonly unreadable: ImageError | null;

  constructor(protected readonly parts: BlockImageParts) {
    this.format = parts.format;
    this.size = parts.size;
    this.clusterSize = parts.map.blockSize;
    this.backing = parts.backing ?? null;
    this.unreadable = parts.unreadable ?? null;
    if (parts.bitmaps !== undefined) this.bitmaps = parts.bitmaps;
  }

  /** Walks the table as far as it is in memory. */
  extents(start: number, length: number): MaybePromise<Extent[]> {
    const { map } = this.parts;
    const end = start + length;
    const first = Math.floor(start / map.blockSize);
    const last = Math.ceil(end / map.blockSize);
    const found: Extent[] = [];
    for (let index = first, steps = 0; index < last && steps < STEPS_AT_ONCE; steps++) {
      const place = map.find(index);
      if (isPending(place)) {
        if (found.length > 0) break;
        return place.then((arrived) => this.#withHoles([this.#extentOf(index, 1, arrived, start, end)]));
      }
      const count = place === UNALLOCATED ? (map.absentFrom?.(index) ?? 1) : 1;
      appendExtent(found, this.#extentOf(index, count, place, start, end));
      index += count;
    }
    return this.#withHoles(found);
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    if (this.unreadable) throw this.unreadable;
    if (offset + into.length > this.size) throw new ImageError('io', 'Input/output error', { offset });
    const { map } = this.parts;
    return gather((work) => {
      const reader = new Reader(this.parts, offset, into, work);
      for (let index = Math.floor(offset / map.blockSize); index * map.blockSize < offset + into.length; index++) {
        const place = map.find(index);
        if (isPending(place)) return this.#readOn(reader, index, place);
        reader.add(index, place);
      }
      return reader.run();
    });
  }

  /** As in `Lineage`. */
  get contentId(): string | null {
    return this.parts.lineage?.contentId ?? null;
  }

  objectsTo(below: Image): ImageError | null {
    return this.parts.lineage === undefined ? null : objectionTo(below, this.parts.lineage);
  }

  details(): ImageDetails {
    return this.parts.details();
  }

  close(): Promise<void> {
    return this.parts.source.close();
  }

  async #readOn(reader: Reader, from: number, pending: Promise<BlockPlace>): Promise<void> {
    const { map } = this.parts;
    reader.add(from, await pending);
    for (let index = from + 1; index * map.blockSize < reader.end; index++) reader.add(index, await map.find(index));
    reader.run();
  }

  /** `count` blocks from `index` on, clipped to [start, end). */
  #extentOf(index: number, count: number, place: BlockPlace, start: number, end: number): Extent {
    const { blockSize } = this.parts.map;
    const from = Math.max(start, index * blockSize);
    const length = Math.min(end, (index + count) * blockSize) - from;
    if (typeof place !== 'number')
      return { start: from, length, kind: 'data', compressed: true, hostOffset: null, depth: 0 };
    const kind = isStored(place) ? 'data' : place === UNALLOCATED ? 'unallocated' : 'zero';
    // What is encrypted is not there as the guest sees it.
    const hostOffset = isStored(place) && !this.parts.cipher ? place + (from - index * blockSize) : null;
    return { start: from, length, kind, compressed: false, hostOffset, depth: 0 };
  }

  #withHoles(found: Extent[]): MaybePromise<Extent[]> {
    const first = found[0];
    const { source, preallocated } = this.parts;
    if (!preallocated || first === undefined || first.hostOffset === null || source.extents === undefined) return found;
    const stored = Math.min(first.length, source.size - first.hostOffset);
    if (stored <= 0) return [{ ...first, kind: 'zero', isHole: true }];
    const asked = source.extents(first.hostOffset, stored);
    return isPending(asked) ? asked.then((arrived) => splitByHoles(first, arrived)) : splitByHoles(first, asked);
  }
}

/** The holes of the file within an extent read as zeros. */
function splitByHoles(extent: Extent, found: readonly StorageExtent[]): Extent[] {
  return found.map(({ start, length, hole }) => ({
    ...extent,
    ...(hole ? { kind: 'zero', isHole: true } : {}),
    start: extent.start + (start - extent.hostOffset!),
    length,
    hostOffset: start,
  }));
}

/** Gathers the stretches of one read: blocks that follow each other in the file are read at once. */
class Reader {
  readonly end: number;
  readonly #packed: PackedCluster[] = [];
  /** A stretch of the file that is not asked for yet. */
  #host = UNALLOCATED;
  #from = 0;
  #to = 0;

  constructor(
    private readonly parts: BlockImageParts,
    private readonly offset: number,
    private readonly into: Uint8Array,
    private readonly work: Gathering,
  ) {
    this.end = offset + into.length;
  }

  add(index: number, place: BlockPlace): void {
    const { blockSize } = this.parts.map;
    const from = Math.max(this.offset, index * blockSize);
    const to = Math.min(this.end, (index + 1) * blockSize);
    const skip = from - index * blockSize;
    if (isStored(place)) {
      const follows = this.#host >= 0 && this.#host + (this.#to - this.#from) === place + skip;
      if (!follows) {
        this.#ask();
        this.#host = place + skip;
        this.#from = from;
      }
      this.#to = to;
      return;
    }
    this.#ask();
    const part = this.into.subarray(from - this.offset, to - this.offset);
    if (typeof place === 'number') part.fill(0);
    // the last block may hold no more than what is left of the disk
    else {
      const size = Math.min(blockSize, this.parts.size - index * blockSize);
      const cluster = { hostOffset: place.host, packedLength: place.length, skip, into: part };
      this.#packed.push(size === blockSize ? cluster : { ...cluster, size });
    }
  }

  run(): void {
    this.#ask();
    if (this.#packed.length > 0) {
      this.parts.source.announce?.('read_compressed');
      this.work.add(this.parts.packed!.read(this.#packed));
    }
  }

  #ask(): void {
    if (this.#host < 0) return;
    const part = this.into.subarray(this.#from - this.offset, this.#to - this.offset);
    const { source, cipher } = this.parts;
    source.announce?.('read_aio');
    if (cipher) this.work.add(new DecryptedSource(source, cipher, this.#host - this.#from).read(this.#from, part));
    else this.work.add(readPadded(source, this.#host, part));
    this.#host = UNALLOCATED;
  }
}
