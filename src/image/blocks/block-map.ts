/**
 * Block-mapped disks: what VDI, VHD, VHDX, Parallels, QED, qcow and sparse VMDK have in common.
 *
 * The disk is cut into blocks of one size (the formats say block, cluster or grain), and a table tells for each of them
 * where it lies in the file, or that it does not. A format describes its table by a `BlockMap`, and if it can be written
 * by a `WritableBlockMap`; `BlockImage`, `BlockWriter` and `BlockEditor` make the image of it.
 */
import type { MaybePromise } from '../../maybe.js';

/** Nothing is stored: the backing file's content shows, zeros where there is none. */
export const UNALLOCATED = -1;
/** Zeros, whatever the backing file holds. */
export const ZERO = -2;

/** A block that is stored compressed. */
export interface PackedBlock {
  /** Byte of the file at which the stream begins, and bytes that it has at most. */
  readonly host: number;
  readonly length: number;
}

/** Where a block lies: the byte of the file at which it begins, `UNALLOCATED`, `ZERO`, or a compressed stream. */
export type BlockPlace = number | PackedBlock;

export function isStored(place: BlockPlace): place is number {
  return typeof place === 'number' && place >= 0;
}

export interface BlockMap {
  /** Bytes of disk in a block; a multiple of 512. */
  readonly blockSize: number;
  /** Where block `index` lies; it is one of the disk's. Throws `corrupt`. */
  find(index: number): MaybePromise<BlockPlace>;
  /**
   * How many blocks from `index` on, for which `find` has just said `UNALLOCATED`, are so for the same reason: one at least,
   * perhaps more than the disk has. Absent: nobody knows but by asking for each.
   */
  absentFrom?(index: number): number;
}

/** All methods change tables in memory only; `commit` brings them to the file. */
export interface WritableBlockMap extends BlockMap {
  /**
   * Gives block `index` a new place of a whole block and returns it. What the file holds there is undefined.
   *
   * @param expected so many blocks, this one included, are about to be allocated one after the other: nothing of the map's
   *   own needs to come between them
   */
  allocate(index: number, expected: number): MaybePromise<number>;
  /** Gives it a place for a stream of `length` bytes. Absent: the format does not compress. */
  allocatePacked?(index: number, length: number): MaybePromise<number>;
  /** Makes the block read as zeros without storing them, hiding the backing file. Absent: the format has no such entry. */
  markZero?(index: number): MaybePromise<void>;
  /** Told of a block that is written to in its place. Absent: the tables say nothing of its content. */
  overwritten?(index: number): MaybePromise<void>;
  /** So much has changed that `commit` should come soon. */
  readonly isCrowded: boolean;
  /** Writes what has changed, in an order that never refers to what is not there yet. */
  commit(): Promise<void>;
}
