/**
 * Storage: numbered bytes, somewhere.
 *
 * A `ByteSource` is read, a `ByteSink` written, a `ByteStore` both: a file, a block device, an NBD export, a Blob, an
 * OPFS file, memory. Formats see nothing else of the world. All offsets and lengths are bytes; every method may
 * complete at once (`MaybePromise`). Calls may overlap: an implementation takes any number in flight.
 *
 * Failures are `ImageError`s whose message is the bare reason ("No space left on device"); the caller adds what it was
 * doing ("error while writing at byte 4096: ").
 */
import type { Loan } from '../loan.js';
import type { MaybePromise } from '../maybe.js';
import type { StorageEvent } from './events.js';

/** What a storage can say of a range without reading it. A hole reads as zeros. */
export interface StorageExtent {
  start: number;
  length: number;
  hole: boolean;
  /** Space is taken for it; absent: unless it is a hole. What is no hole and takes no space holds anything. */
  stored?: boolean;
}

/** Transfer sizes are multiples of it, bytes, so that what is written need not depend on them. */
export const TRANSFER_GRID = 256 * 1024;

export interface ByteSource {
  /** As the user or the image named it; for messages. */
  readonly name: string;
  /** Length in bytes when it was opened, kept up to date by this object's own writes. */
  readonly size: number;
  /**
   * The transfer size, in bytes, from which on larger requests do not pay: 768 KiB for a local file, more on a network.
   * A multiple of `TRANSFER_GRID`.
   */
  readonly transfer: number;
  /** Fills all of `into` from `offset`, or throws. A range that ends beyond `size` throws `io`. */
  read(offset: number, into: Uint8Array): MaybePromise<void>;
  /**
   * Reads into memory of its own and lends that, which saves the copy where bytes come in memory of their own (the
   * browser's streams). The borrower may change them. null: not this time, `read` is as good. Absent: never.
   */
  lend?(offset: number, length: number): Promise<Loan> | null;
  /**
   * Tells data from holes in [offset, offset + length). The answer tiles a non-empty *prefix* of the range:
   * ascending, contiguous, starting at `offset`; ask again for the rest. Absent: nothing is known, all may be data.
   */
  extents?(offset: number, length: number): MaybePromise<StorageExtent[]>;
  /** Requests are made in multiples of it, bytes, and so is what `extents` means at the end; absent: 1. */
  readonly requestAlignment?: number;
  /** Bytes of disk space that it takes, which holes make smaller than `size`. Absent: unknown. */
  allocated?(): number;
  /** Told what its user is about to do with it. Absent: it does not matter here; only fault injection listens. */
  announce?(event: StorageEvent): void;
  close(): Promise<void>;
}

/** How space is reserved ahead of writing: as `preallocation=` of `qemu-img`. */
export type Preallocation = 'off' | 'falloc' | 'full';

/** Advice to the file system about a new file; what it does not know has no effect. */
export interface FileHints {
  /** No copy-on-write (btrfs). */
  nocow?: boolean | undefined;
  /** Space is to be taken in pieces of so many bytes (XFS); 0 to 2^32 - 1. */
  extentSize?: number | undefined;
}

export interface ByteSink {
  readonly name: string;
  /** Bytes that were never written read back as zero (a new file); false for an existing file or device. */
  readonly readsZero: boolean;
  /** Writes all of `bytes`; beyond the end it grows the storage. `bytes` are the caller's again once this is done. */
  write(offset: number, bytes: Uint8Array): MaybePromise<void>;
  /** Makes the range read as zeros, the cheapest way there is: hole, WRITE ZEROES, at worst a write of zeros. */
  zero(offset: number, length: number): MaybePromise<void>;
  /** Sets the length; what is added reads as zeros. `invalid` where the storage's size is fixed and differs. */
  truncate(size: number): Promise<void>;
  /** Reserves space for [0, size). Absent: only 'off' is possible. */
  preallocate?(size: number, mode: Preallocation): Promise<void>;
  /** Advice for a new file, before anything is written. Absent: not a file. */
  hint?(hints: FileHints): void;
  /** All that was written survives a power cut once this is done. */
  flush(): Promise<void>;
  /** As `ByteSource.announce`. */
  announce?(event: StorageEvent): void;
  close(): Promise<void>;
}

export interface ByteStore extends ByteSource, ByteSink {}
