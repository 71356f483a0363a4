/**
 * Space reserved ahead of the end of a file that grows.
 *
 * ext4 promises blocks to each page that is written, one after the other, while the file is locked; where blocks are
 * reserved already a write costs a quarter less, and as writes to one file wait for each other, so does a conversion.
 * XFS and btrfs gain nothing by it.
 *
 * The reserved space lies beyond the file's end, so nobody sees it; closing the file gives back what was not used.
 */
import { ftruncateSync, statfsSync } from 'node:fs';
import { systemError } from './errno.js';
import { FALLOC_KEEP_SIZE, type Libc } from './libc.js';
import { freeSpace } from './space.js';

/** statfs(2): `f_type` of ext2, ext3 and ext4; what the older two cannot do they say. */
const EXT4_SUPER_MAGIC = 0xef53;

/** Bytes: shorter files are not worth a call, and never is more reserved than the file is long already. */
const LEAST = 4 * 1024 * 1024;
const MOST = 64 * 1024 * 1024;

/** So many times as much must be free: on a disk that is nearly full, other parts of the file need the last blocks. */
const PLENTY = 8;

/** A gap of so many bytes is one that is meant to be a hole; shorter ones are tables that follow, or the rests of clusters. */
const GAP = 256 * 1024;

export class SpaceAhead {
  /** End of the reserved space; up to the file's own end none is. */
  #end = 0;
  #able = true;

  /**
   * @param free bytes that the file system has left
   * @param file its name, for errors
   */
  constructor(
    private readonly libc: Libc,
    private readonly fd: number,
    private readonly free: () => number,
    private readonly file?: string,
  ) {}

  /** Null where there is nothing to gain. */
  static of(libc: Libc | null, fd: number, path: string): SpaceAhead | null {
    if (libc === null || !isOnExt4(path)) return null;
    const free = () => {
      try {
        return freeSpace(path);
      } catch {
        // Renamed or removed meanwhile.
        return 0;
      }
    };
    return new SpaceAhead(libc, fd, free, path);
  }

  /** A file of `size` bytes is about to be written at [offset, end), beyond its size. */
  prepare(size: number, offset: number, end: number): void {
    this.skip(size, offset);
    if (!this.#able || end <= this.#end || end < LEAST) return;
    const start = Math.max(this.#end, size);
    const length = end - start + Math.min(MOST, end);
    this.#able = this.free() >= PLENTY * length && this.libc.fallocate(this.fd, FALLOC_KEEP_SIZE, start, length) >= 0;
    // What failed may have reserved a part.
    this.#end = start + length;
    if (!this.#able) this.release(size);
  }

  /**
   * [size, end) is about to become part of the file without being written: a hole. A file in which holes are made gets no
   * more space ahead, or most of it would have to be given back at once.
   */
  skip(size: number, end: number): void {
    if (Math.min(end, this.#end) - size < GAP) return;
    this.release(size);
    this.#able = false;
  }

  /** The file was cut, if only to the size that it had: nothing lies beyond its end any more. */
  truncated(): void {
    this.#end = 0;
  }

  /** Gives back what lies beyond the file's `size` bytes; throws an `ImageError` if the system does not take it. */
  release(size: number): void {
    const isThere = this.#end > size;
    this.#end = 0;
    try {
      if (isThere) ftruncateSync(this.fd, size);
    } catch (error) {
      throw systemError(error, { file: this.file });
    }
  }
}

function isOnExt4(path: string): boolean {
  try {
    return statfsSync(path).type === EXT4_SUPER_MAGIC;
  } catch {
    return false;
  }
}
