/** Space of files and block devices: making it read as zeros, giving it back, reserving it ahead, how much is left. */
import { fsync, ftruncate, statfsSync } from 'node:fs';
import { constants } from 'node:os';
import { promisify } from 'node:util';
import { ImageError } from '../../errors.js';
import type { MaybePromise } from '../../maybe.js';
import { errnoError, systemError } from './errno.js';
import { writeChannel } from './file-io.js';
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, type Libc } from './libc.js';

const truncateFile = promisify(ftruncate);
const syncFile = promisify(fsync);

/** One call of the C library covers at most this much; between two, the event loop runs. */
const STEP = 1024 ** 3;

/** A page, and the first block of every file system in use. */
const FIRST_BLOCK = 4096;

const zeros = new Uint8Array(256 * 1024);

const { EINVAL, ENODEV, ENOSYS, EOPNOTSUPP } = constants.errno;

/** Calls `step` for [start, end) in pieces of at most `size` bytes. */
async function inSteps(
  start: number,
  end: number,
  size: number,
  step: (offset: number, length: number) => MaybePromise<void>,
): Promise<void> {
  for (let at = start; at < end; at += size) {
    await step(at, Math.min(size, end - at));
    if (size === STEP && at + size < end) await new Promise(setImmediate);
  }
}

/** Writes zeros to [offset, offset + length). */
export function writeZeros(fd: number, offset: number, length: number): Promise<void> {
  const channel = writeChannel();
  const write = (at: number, count: number) => channel.transfer(fd, at, zeros.subarray(0, count));
  return inSteps(offset, offset + length, zeros.length, write);
}

/**
 * Makes [offset, offset + length) read as zeros without writing them: as a hole, else as reserved space (a block device
 * has WRITE ZEROES or, at worst, the kernel write them). False: not possible here, or not at this alignment, and part of
 * the range may have been zeroed. The size stays.
 */
export async function punch(libc: Libc, fd: number, offset: number, length: number): Promise<boolean> {
  let able = true;
  await inSteps(offset, offset + length, STEP, (at, count) => {
    for (const mode of [FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE]) {
      const result = able ? libc.fallocate(fd, mode | FALLOC_KEEP_SIZE, at, count) : 0;
      if (result >= 0) return;
      if (![-EOPNOTSUPP, -ENOSYS, -ENODEV, -EINVAL].includes(result)) throw errnoError(-result, { offset: at });
    }
    able = false;
  });
  return able;
}

/** Reserves [start, end) without writing it, or, where the file system cannot, by writing zeros into what is not there. */
async function reserve(libc: Libc, fd: number, start: number, end: number): Promise<void> {
  await inSteps(start, end, STEP, (at, count) => {
    const result = libc.posixFallocate(fd, at, count);
    if (result < 0) throw errnoError(-result, { offset: at });
  });
}

/** Grows the file from `size` to `end` bytes, all of them backed by disk space. What fails leaves the old size. */
export async function preallocate(
  libc: Libc | null,
  fd: number,
  size: number,
  end: number,
  mode: 'falloc' | 'full',
): Promise<void> {
  let doing = mode === 'full' ? 'Could not resize file' : 'Could not preallocate new data';
  try {
    if (mode === 'falloc' && libc !== null) {
      await reserve(libc, fd, size, end);
      return;
    }
    await truncateFile(fd, end);
    doing = 'Could not write zeros for preallocation';
    await writeZeros(fd, size, end - size);
    doing = 'Could not flush file to disk';
    await syncFile(fd);
  } catch (error) {
    await truncateFile(fd, size).catch(() => {});
    const reason = systemError(error);
    throw reason instanceof ImageError ? reason.prefixed(`${doing}: `) : reason;
  }
}

/**
 * Writes the first block of a file that is all hole. Programs find out the alignment that direct I/O needs by trial,
 * and a hole can be read at any.
 */
export function allocateFirstBlock(fd: number, size: number): Promise<void> {
  return writeZeros(fd, 0, Math.min(FIRST_BLOCK, size));
}

/** Bytes that the file system of `path` has left for this user. */
export function freeSpace(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
