/**
 * References to clusters, as they are counted.
 *
 * Nothing is believed: what refers to bytes beyond the end of the file is damage and is not counted.
 */
import type { CheckTally, ClusterUsage } from '../../../image/check.js';
import { type CheckedFile, hexOffset } from './checked-file.js';
import type { ReferenceCounts } from './reference-counts.js';

export class References {
  /** @param usage filled from the active L1 table */
  constructor(
    readonly file: CheckedFile,
    readonly counts: ReferenceCounts,
    readonly tally: CheckTally,
    readonly usage: ClusterUsage,
    /** Entries that make no sense are replaced where that loses nothing. */
    readonly repairs: boolean,
  ) {}

  /**
   * Counts a reference to each cluster that [offset, offset + length) touches.
   *
   * @param shown the offset, for the message, where a number cannot hold it
   */
  count(offset: number, length: number, shown?: string): void {
    const { file, counts } = this;
    if (length <= 0) return;
    if (file.exceedsFile(offset, length)) {
      this.corruption(
        'ERROR: counting reference for region exceeding the end of the file by one cluster or more: ' +
          `offset 0x${shown ?? hexOffset(offset)} size 0x${length.toString(16)}`,
      );
      return;
    }
    const last = Math.floor((offset + length - 1) / file.clusterSize);
    for (let cluster = Math.floor(offset / file.clusterSize); cluster <= last; cluster++) {
      if (counts.add(cluster)) continue;
      this.corruption(
        `ERROR: overflow cluster offset=0x${hexOffset(cluster * file.clusterSize)}\n` +
          'Use qemu-img amend to increase the refcount entry width or qemu-img convert to create a clean copy if the ' +
          'image cannot be opened for writing',
      );
    }
  }

  corruption(line: string): void {
    this.tally.corruptions++;
    this.file.say(line);
  }
}
