/**
 * What a disk looks like from far away: cells of equal size, each with its shares of data and zeros.
 *
 * A survey costs metadata reads only, and a bounded number of them: in a fragmented image a cell is judged by its first
 * extents alone.
 */
import type { Extent, Image } from './image.js';

/** Shares of each cell, 0 to 255; what is neither is unallocated. */
export interface Survey {
  /** Cells that are known so far, from the beginning of the disk. */
  known: number;
  data: Uint8Array;
  zero: Uint8Array;
  /** Of the data: what is stored compressed. */
  compressed: Uint8Array;
  /**
   * Byte of the image's file, if there is only one, up to which its plain data reach: more than the file has, and it is cut
   * off.
   */
  end: number;
}

/** Questions that one cell is worth. */
const MOST_ANSWERS = 32;
const ALL = 255;

/** Surveys `disk` in `count` cells; hands over the same survey, more of it known, after every cell. */
export async function* surveyDisk(disk: Image, count: number): AsyncGenerator<Survey> {
  const survey: Survey = {
    known: 0,
    data: new Uint8Array(count),
    zero: new Uint8Array(count),
    compressed: new Uint8Array(count),
    end: 0,
  };
  while (survey.known < count) {
    const start = Math.floor((disk.size * survey.known) / count);
    const end = Math.floor((disk.size * (survey.known + 1)) / count);
    const seen = await look(disk, start, end);
    const share = (bytes: number) => (seen.total === 0 ? 0 : Math.ceil((ALL * bytes) / seen.total));
    survey.data[survey.known] = share(seen.data);
    survey.zero[survey.known] = share(seen.zero);
    survey.compressed[survey.known] = share(seen.compressed);
    survey.end = Math.max(survey.end, seen.end);
    survey.known++;
    yield survey;
  }
}

/** Bytes of each kind in the part of [start, end) that was looked at, and up to where its data reach in the file. */
async function look(disk: Image, start: number, end: number) {
  const seen = { total: 0, data: 0, zero: 0, compressed: 0, end: 0 };
  for (let at = start, answers = 0; at < end && answers < MOST_ANSWERS; answers++) {
    for (const extent of await disk.extents(at, end - at)) {
      const { length, kind, compressed } = extent;
      seen.total += length;
      seen.end = Math.max(seen.end, endInFile(extent));
      if (kind === 'data') seen.data += length;
      if (kind === 'zero') seen.zero += length;
      if (compressed) seen.compressed += length;
      at += length;
    }
  }
  return seen;
}

function endInFile({ kind, length, hostOffset, file, depth }: Extent): number {
  const isOwn = kind === 'data' && depth === 0 && file === undefined;
  return isOwn && hostOffset !== null ? hostOffset + length : 0;
}
