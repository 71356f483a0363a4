/** Data and holes of a file, from the file system's own map: lseek(2) with SEEK_DATA and SEEK_HOLE. */
import { constants } from 'node:os';
import type { StorageExtent } from '../../storage/storage.js';
import { type Libc, SEEK_DATA, SEEK_END, SEEK_HOLE } from './libc.js';

/** Extents an answer; bounds the time and memory of one call on a finely fragmented file. */
const BATCH = 512;

const { ENXIO } = constants.errno;

/**
 * Tiles a prefix of [offset, offset + length), at most 512 extents; the range must lie within the file. Where the file
 * system cannot tell, the rest is data; so is what a file has lost that was cut short meanwhile: reading that fails, as
 * it should.
 */
export function fileExtents(libc: Libc, fd: number, offset: number, length: number): StorageExtent[] {
  const extents: StorageExtent[] = [];
  const end = offset + length;
  let at = offset;
  while (at < end && extents.length < BATCH) {
    const data = libc.lseek(fd, at, SEEK_DATA);
    if (data !== at) {
      // No data from here on: a hole, if the file still goes as far as that.
      const hole = data > at || (data === -ENXIO && libc.lseek(fd, 0, SEEK_END) >= end);
      const stop = data > at ? Math.min(data, end) : end;
      extents.push({ start: at, length: stop - at, hole });
      at = stop;
      continue;
    }
    const next = libc.lseek(fd, at, SEEK_HOLE);
    const stop = next > at ? Math.min(next, end) : end;
    extents.push({ start: at, length: stop - at, hole: false });
    at = stop;
  }
  return extents;
}
