/** A qcow2 image that is read: guest offsets in, bytes and status out. */
import { ImageError } from '../../errors.js';
import type {
  BackingReference,
  BitmapInfo,
  BitmapStretch,
  Extent,
  Image,
  ImageDetails,
  Json,
  TakeStream,
} from '../../image/image.js';
import { type PackedCluster, PackedClusters } from '../../image/packed.js';
import type { TableCache } from '../../image/table-cache.js';
import type { Codec, Kernels } from '../../kernels/kernels.js';
import { type Gathering, gather, isPending, type MaybePromise } from '../../maybe.js';
import { readPadded } from '../../storage/padded.js';
import type { ByteSource } from '../../storage/storage.js';
import { type Bitmap, bitmapStretches } from './bitmaps.js';
import { describeImage } from './details.js';
import { type ClusterCipher, clearBytes } from './encryption.js';
import { clusterSizeOf, codecOf, type QcowHeader } from './header.js';
import type { DataHoles } from './holes.js';
import { overlapIn } from './l1-overlap.js';
import { CRYPT } from './layout.js';
import { ClusterMap, type L1Table, type Run } from './map.js';
import { findSnapshot, type Snapshot, snapshotL1 } from './snapshots.js';

/** What an image and its snapshots share. */
export interface QcowParts {
  readonly header: QcowHeader;
  /** Holds the metadata, and the data unless there is an external data file. */
  readonly source: ByteSource;
  /** Holds the data; null: it could not be opened, and `unreadable` says why. */
  readonly data: ByteSource | null;
  readonly tables: TableCache;
  readonly holes: DataHoles;
  readonly kernels: Kernels;
  readonly snapshots: readonly Snapshot[];
  readonly bitmaps: readonly Bitmap[];
  /** The `encrypt` object of `info`; null if the image is not encrypted. */
  readonly encryption: { [key: string]: Json } | null;
  /** Decrypts the data; null: it is not encrypted, or not to be read. */
  readonly cipher: ClusterCipher | null;
  readonly unreadable: ImageError | null;
  /** Bytes that `source` has or, while it is being written, is going to have; absent: its size. */
  readonly fileSize?: () => number;
}

export class QcowImage implements Image {
  readonly format = 'qcow2';
  readonly clusterSize: number;
  readonly backing: BackingReference | null;
  readonly map: ClusterMap;
  readonly #packed: PackedClusters;

  constructor(
    readonly parts: QcowParts,
    /** Guest disk in bytes: the snapshot's own if this is one. Only an editor changes it. */
    public size: number = parts.header.size,
    l1: L1Table = activeL1(parts.header),
  ) {
    const { header, source, tables, kernels } = parts;
    this.clusterSize = clusterSizeOf(header);
    this.backing = header.backingFile ? { name: header.backingFile, format: header.extensions.backingFormat } : null;
    this.map = new ClusterMap(header, tables, l1, parts.fileSize ?? (() => source.size));
    this.#packed = new PackedClusters(source, kernels, codecOf(header), this.clusterSize);
  }

  get snapshots(): readonly Snapshot[] {
    return this.parts.snapshots;
  }

  /** Only version 3 can have any. */
  get bitmaps(): readonly Bitmap[] | undefined {
    return this.parts.header.version < 3 ? undefined : this.parts.bitmaps;
  }

  get unreadable(): ImageError | null {
    return this.parts.unreadable;
  }

  extents(start: number, length: number): MaybePromise<Extent[]> {
    const runs = this.map.prefix(start, start + length);
    return isPending(runs) ? runs.then((arrived) => this.#extentsOf(arrived)) : this.#extentsOf(runs);
  }

  read(offset: number, into: Uint8Array): MaybePromise<void> {
    return this.#read(offset, into);
  }

  /** Encrypted images have no compressed clusters that another one could take over. */
  get packing(): { codec: Codec; unit: number } | null {
    const { header } = this.parts;
    return header.cryptMethod === CRYPT.none ? { codec: codecOf(header), unit: this.clusterSize } : null;
  }

  readPacked(offset: number, into: Uint8Array, take: TakeStream): MaybePromise<void> {
    return this.#read(offset, into, take);
  }

  #read(offset: number, into: Uint8Array, take?: TakeStream): MaybePromise<void> {
    if (this.unreadable) throw this.unreadable;
    if (offset + into.length > this.size) throw new ImageError('io', 'Input/output error', { offset });
    const runs = this.map.all(offset, offset + into.length);
    if (isPending(runs)) return runs.then((arrived) => this.#fill(arrived, offset, into, take));
    return this.#fill(runs, offset, into, take);
  }

  details(): ImageDetails {
    return describeImage(this.parts.header, this.parts.bitmaps, this.parts.encryption);
  }

  /**
   * The disk at a snapshot, found by its id or else by its name. It shares this image's storage: closing either closes
   * both. Throws `not-found`; `corrupt` where the snapshot's L1 table cannot be right.
   */
  async snapshot(idOrName: string): Promise<QcowImage> {
    const snapshot = findSnapshot(this.snapshots, idOrName);
    const { header, source, tables } = this.parts;
    const l1 = snapshotL1(snapshot, header, source.size);
    const overlap = await overlapIn(l1, tables, this.clusterSize, source.size);
    if (overlap !== null) throw overlap;
    return new QcowImage(this.parts, snapshot.size, l1);
  }

  /** What a bitmap holds. Throws `not-found`; `corrupt`, also for one that is `inUse` and of the wrong size. */
  bitmapContent({ name }: BitmapInfo): AsyncIterable<BitmapStretch> {
    const { source, header } = this.parts;
    const bitmap = this.bitmaps?.find((candidate) => candidate.name === name);
    if (bitmap === undefined) throw new ImageError('not-found', `Dirty bitmap '${name}' not found`);
    return bitmapStretches(source, header, bitmap);
  }

  async close(): Promise<void> {
    const { source, data } = this.parts;
    await Promise.all(data === source || data === null ? [source.close()] : [source.close(), data.close()]);
  }

  /** Compressed clusters have moved or gone. */
  protected forgetPacked(): void {
    this.#packed.clear();
  }

  #extentsOf(runs: readonly Run[]): MaybePromise<Extent[]> {
    const withHoles = this.parts.holes.applied(runs);
    return isPending(withHoles) ? withHoles.then((arrived) => this.#toExtents(arrived)) : this.#toExtents(withHoles);
  }

  #toExtents(runs: readonly Run[]): Extent[] {
    const extents = runs.map(extentOf);
    return this.parts.header.cryptMethod === CRYPT.none ? extents : withoutPlaces(extents);
  }

  #readData(start: number, hostOffset: number, into: Uint8Array): MaybePromise<void> {
    const { data, cipher } = this.parts;
    if (cipher === null) return readPadded(data!, hostOffset, into);
    const { source, offset } = clearBytes(data!, cipher, start, hostOffset);
    return readPadded(source, offset, into);
  }

  #fill(runs: readonly Run[], offset: number, into: Uint8Array, take?: TakeStream): MaybePromise<void> {
    return gather((work) => this.#beginFilling(runs, offset, into, take, work));
  }

  #beginFilling(
    runs: readonly Run[],
    offset: number,
    into: Uint8Array,
    take: TakeStream | undefined,
    work: Gathering,
  ): void {
    const packed: PackedCluster[] = [];
    for (const { kind, start, length, hostOffset, packedLength } of runs) {
      const part = into.subarray(start - offset, start - offset + length);
      if (kind === 'data') {
        this.parts.source.announce?.('read_aio');
        work.add(this.#readData(start, hostOffset!, part));
      } else if (kind === 'packed')
        packed.push({
          hostOffset: hostOffset!,
          packedLength,
          skip: start % this.clusterSize,
          into: part,
          take: take && ((stream) => take(start, stream)),
        });
      else part.fill(0);
    }
    if (packed.length > 0) {
      this.parts.source.announce?.('read_compressed');
      work.add(this.#packed.read(packed));
    }
  }
}

/** Where the header says that it is, now. */
function activeL1(header: QcowHeader): L1Table {
  return {
    get offset() {
      return header.l1TableOffset;
    },
    get entries() {
      return header.l1Size;
    },
  };
}

function extentOf({ kind, start, length, hostOffset, isHole }: Run): Extent {
  const compressed = kind === 'packed';
  const extent: Extent = { start, length, kind: compressed ? 'data' : kind, compressed, hostOffset, depth: 0 };
  return isHole ? { ...extent, isHole } : extent;
}

/** What is encrypted does not lie in the file as it is. */
function withoutPlaces(extents: Extent[]): Extent[] {
  return extents.map((extent) => ({ ...extent, hostOffset: null }));
}
