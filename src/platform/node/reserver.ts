/**
 * Reserving disk space for what is about to be written.
 *
 * ext4 promises blocks to each page that is written, one after the other, while the file is locked; where blocks are
 * reserved already a write costs a quarter less, and as writes to one file wait for each other, so does a conversion.
 * XFS and btrfs gain nothing by it.
 *
 * Nobody sees what is reserved: it reads as zeros or lies beyond the file's end. What was not used is given back.
 */
import { ftruncateSync } from 'node:fs';
import { errnoError, systemError } from './errno.js';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, type Libc } from './libc.js';
import type { OpenedFile } from './opened-file.js';
import { freeSpace } from './space.js';

/** Bytes: shorter stretches are not worth a call, and never is more reserved than was written in a row already. */
export const LEAST = 4 * 1024 * 1024;
export const MOST = 64 * 1024 * 1024;

/** So many times as much must be free: on a disk that is nearly full, other parts of the file need the last blocks. */
const PLENTY = 8;

/** One open file. */
export class Reserver {
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
  static of({ libc, fd, name, fileSystem, fresh, directFd }: OpenedFile): Reserver | null {
    if (libc === null || fileSystem !== 'ext4' || !fresh || directFd !== null) return null;
    const free = () => {
      try {
        return freeSpace(name);
      } catch {
        // Renamed or removed meanwhile.
        return 0;
      }
    };
    return new Reserver(libc, fd, free, name);
  }

  /** Reserves [start, end), whatever the file's size, which stays. False: not all of it, perhaps a part. */
  reserve(start: number, end: number): boolean {
    const length = end - start;
    return this.free() >= PLENTY * length && this.libc.fallocate(this.fd, FALLOC_KEEP_SIZE, start, length) >= 0;
  }

  /** Sets the file's size, if only to what it is, and gives back what lies behind. Throws what the system says, as an `ImageError`. */
  resize(size: number): void {
    try {
      ftruncateSync(this.fd, size);
    } catch (error) {
      throw systemError(error, { file: this.file });
    }
  }

  /** Gives back [start, end), part of the file, of which nothing was written. Throws as `resize` does. */
  punch(start: number, end: number): void {
    const result = this.libc.fallocate(this.fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, start, end - start);
    if (result < 0) throw errnoError(-result, { file: this.file, offset: start });
  }
}
