/**
 * Images: what a format makes of a storage.
 *
 * An `Image` is a disk that can be read; an `ImageWriter` a disk that can be written front to back; an `EditableImage`
 * both, in any order. Offsets and lengths are guest bytes unless a name says `host`.
 */
import type { ImageError } from '../errors.js';
import type { Codec, Piece, UnitEncoding } from '../kernels/kernels.js';
import type { Loan } from '../loan.js';
import type { MaybePromise } from '../maybe.js';
import type { Preallocation } from '../storage/storage.js';

/**
 * What is known of a stretch of the guest's disk without reading it.
 *
 * | kind | content | backing file |
 * |---|---|---|
 * | data | must be read | hidden |
 * | zero | zeros | hidden |
 * | unallocated | the backing file's, zeros where there is none | shows through |
 */
export interface Extent {
  start: number;
  length: number;
  kind: 'data' | 'zero' | 'unallocated';
  compressed: boolean;
  /**
   * Where the bytes are in the storage, if they lie there plain and contiguous; also for allocated clusters, or parts
   * of them, that are not data.
   */
  hostOffset: number | null;
  /** Name of the file that `hostOffset` counts in; absent: the only one that holds the image's data. */
  file?: string;
  /** 0: this image; 1: its backing file; and so on. */
  depth: number;
  /** Of kind 'zero', but only because the storage has a hole where the data should lie. */
  isHole?: boolean;
  /** Of kind 'data', as nobody knows what it holds, but the storage says that nothing is stored there. */
  isAbsent?: boolean;
}

/** A reference to a backing file, as the header has it. */
export interface BackingReference {
  name: string;
  /** null: to be probed. */
  format: string | null;
}

export interface SnapshotInfo {
  id: string;
  name: string;
  /** Guest size in bytes at the time of the snapshot. */
  size: number;
  vmStateSize: number;
  /** Seconds and nanoseconds since 1970. */
  date: { seconds: number; nanoseconds: number };
  /** Guest run time in nanoseconds. */
  vmClock: bigint;
  /** Guest instruction count, null where not recorded. */
  icount: bigint | null;
}

/** A snapshot that is to be made of the disk as it is; the format gives it an id. */
export interface NewSnapshot {
  /** May be one that another snapshot has; cut where the format cannot hold it. */
  name: string;
  date: SnapshotInfo['date'];
}

/** A persistent dirty bitmap: which parts of the disk were written since some point in time. */
export interface BitmapInfo {
  readonly name: string;
  /** Bytes of the guest's disk that one bit stands for. */
  readonly granularity: number;
  /** It was not saved correctly, so its content means nothing. */
  readonly inUse: boolean;
  /** Writes are to be recorded from the moment on that the image is opened. */
  readonly auto: boolean;
}

/** A part of a bitmap: guest bytes [start, start + length). */
export interface BitmapStretch {
  start: number;
  length: number;
  /** Lowest bit first, filled up with zeros to whole bytes, valid until the next stretch is asked for; or all of one kind. */
  bits: Uint8Array | 'zeros' | 'ones';
}

/** JSON as `info --output=json` prints it. */
export type Json = string | number | bigint | boolean | null | Json[] | { [key: string]: Json };

/** What `info` tells beyond the contract below. */
export interface ImageDetails {
  /** Only formats with clusters, grains or blocks. */
  clusterSize?: number;
  encrypted?: boolean;
  /** It was not closed correctly; null: not told of this format. */
  dirty?: boolean | null;
  /** `format-specific` of `qemu-img info --output=json`: its `data`; keys in `qemu-img`'s order. */
  formatSpecific?: { type: string; data: { [key: string]: Json } };
}

export interface Image {
  readonly format: string;
  /** Guest disk in bytes. */
  readonly size: number;
  /** Unit of allocation in bytes; 1 for raw. */
  readonly clusterSize: number;
  readonly backing: BackingReference | null;
  readonly snapshots: readonly SnapshotInfo[];
  /** Absent: the format has none. */
  readonly bitmaps?: readonly BitmapInfo[];
  /** What one of `bitmaps` holds, ascending. Throws `corrupt`. */
  bitmapContent?(bitmap: BitmapInfo): AsyncIterable<BitmapStretch>;
  /** Why `read` would throw (encrypted, unknown compression); `info` works all the same. */
  readonly unreadable: ImageError | null;
  /**
   * Status of [start, start + length). The answer tiles a non-empty *prefix* of the range: ascending, contiguous,
   * neighbours of the same status merged, clipped to the range; ask again for the rest. Costs metadata reads only.
   */
  extents(start: number, length: number): MaybePromise<Extent[]>;
  /** Fills all of `into`; the range must lie within `size`. Unallocated reads as zeros. */
  read(offset: number, into: Uint8Array): MaybePromise<void>;
  /** The range in memory that the storage lends, as `ByteSource.lend`. */
  lend?(offset: number, length: number): Promise<Loan> | null;
  /** How units are compressed that are; null or absent: none is, or nobody can take over a stream as it is. */
  readonly packing?: { readonly codec: Codec; readonly unit: number } | null;
  /**
   * As `read`, and besides tells the streams of units that are compressed by `packing` and lie in the range whole. Each has
   * been decompressed, so it is sound. Present with `packing`.
   */
  readPacked?(offset: number, into: Uint8Array, take: TakeStream): MaybePromise<void>;
  details(): ImageDetails;
  /** Why `below`, alone, must not show through as the backing file; null: it may. Absent: every image may. */
  objectsTo?(below: Image): ImageError | null;
  /** The disk as it was at a snapshot. Absent: the format has none. Throws `not-found`. */
  snapshot?(idOrName: string): Promise<Image>;
  close(): Promise<void>;
}

/** Told the stream of the unit at guest offset `at`; the bytes are valid for the time of the call. */
export type TakeStream = (at: number, stream: Uint8Array) => void;

/** A write that has its place and waits for its turn; call it once. */
export type PendingWrite = () => MaybePromise<void>;

/** One run of guest bytes, prepared: scanned and, if asked for, compressed. */
export interface PreparedRun {
  offset: number;
  length: number;
  /** Tile the run, ascending. 'packed' pieces appear only if the writer has an `encoding`. */
  pieces: Piece[];
  /**
   * Guest offsets at which a stretch of data begins in the source that `qemu-img` would copy by itself, ascending: the
   * last one at or before `offset`, and those within the run. Only the layout of qcow2 depends on it, and only where a
   * refcount block is due; absent: runs that follow each other are of one stretch.
   */
  extentStarts?: readonly number[];
  /** Where the last of those stretches is known to end, at the end of the run or behind it; absent: not known. */
  extentEnd?: number;
}

/**
 * The target of a conversion.
 *
 * *Placing* decides where bytes go and only changes tables; *writing* moves the bytes. `place` is called for one run at
 * a time, in ascending order unless `unordered`, and returns the write, which the pipeline runs later, in any order
 * among others. So the layout depends on the input alone. The run's memory must stay until its write has ended.
 */
export interface ImageWriter {
  /** Guest disk in bytes. */
  readonly size: number;
  /** Runs are cut on multiples of this; bytes. */
  readonly unit: number;
  /** How units are to be compressed; null: not. */
  readonly encoding: UnitEncoding | null;
  /** `place` may come in any order: the layout is fixed. */
  readonly unordered: boolean;
  /** What is never placed reads as zeros (or shows the backing file). False: zeros must be placed. */
  readonly readsZero: boolean;
  place(run: PreparedRun): MaybePromise<PendingWrite | undefined>;
  /** Stores a bitmap with the image; after the last `place`, before `finish`. Absent: the format has none. */
  addBitmap?(bitmap: BitmapInfo, content: AsyncIterable<BitmapStretch>): Promise<void>;
  /** Tables, then the field that makes the image valid, then a flush if the request asked for one. Nothing may be placed afterwards. */
  finish(): Promise<void>;
  /** Releases the storage; without `finish` before it, the target stays invalid. */
  close(): Promise<void>;
}

/** How space is given to the part that a disk grows by; 'metadata': places in the tables, no space in the storage. */
export type GrowthPreallocation = Preallocation | 'metadata';

/** How a disk is to get another size. */
export interface ResizeRequest {
  /** Only for growing. */
  preallocation: GrowthPreallocation;
  /** The backing file is longer than the disk was: what is added has to hide it. */
  hidesBacking: boolean;
}

/** An image that can be changed in place: convert -n, commit, rebase, resize. */
export interface EditableImage extends Image, ImageWriter {
  /** Bytes of the smallest piece of the disk that gets a place of its own; absent: `clusterSize`. */
  readonly subclusterSize?: number;
  /** Guest disk in bytes; another one after `resize`. */
  readonly size: number;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Makes the range read as zeros, hiding the backing file. */
  zero(offset: number, length: number): Promise<void>;
  flush(): Promise<void>;
  /**
   * Names another backing file, or none; the disk's content changes with it. Absent: the format's names cannot change.
   * Throws `no-space` if the header has no room for it.
   */
  setBacking?(reference: BackingReference | null): Promise<void>;
  /**
   * Drops all content, so that the backing file shows everywhere; in place of `finish`. Absent: the format cannot, or
   * would gain no space.
   */
  empty?(): Promise<void>;
  /**
   * Makes the disk longer, by zeros (where all of it is encrypted: by noise), or shorter. `size` may be any positive
   * number. Nothing may be in flight. Absent: the format's disks keep their size. Throws `invalid` or `unsupported`.
   */
  resize?(size: number, request: ResizeRequest): Promise<void>;
  /**
   * Remembers the disk as it is now. Nothing may be in flight. Absent, as for the two that follow: the format has no
   * snapshots. Throws `unsupported` where this image can have no more.
   */
  createSnapshot?(request: NewSnapshot): Promise<SnapshotInfo>;
  /**
   * Makes the disk what it was at the snapshot with this id, or else this name, also its size. What it is now is lost
   * unless a snapshot holds it. Throws `not-found`; what is wrong with the snapshot goes to the context's events where
   * the error is only the system's word for it.
   */
  applySnapshot?(idOrName: string): Promise<void>;
  /** Forgets one of `snapshots`, and frees what only it held. */
  deleteSnapshot?(snapshot: SnapshotInfo): Promise<void>;
}

/** A data extent is what must be read; the other kinds read as zeros in an image without a backing file. */
export function isData(extent: Extent): boolean {
  return extent.kind === 'data';
}
