/** References of the refcount table to its blocks. */
import { ImageError } from '../../../errors.js';
import type { References } from './references.js';

/**
 * Counts the refcount blocks. Returns whether the refcount structures have to be made anew: they contradict themselves.
 *
 * @param repairs a block beyond the end of the file gets a file that is long enough
 */
export async function countRefcountBlocks(references: References, repairs: boolean): Promise<boolean> {
  const { file, counts, tally } = references;
  let mustRebuild = false;
  for (let index = 0; index < file.refcounts.blockCount; index++) {
    const { offset, hasReservedBits, isAligned } = file.refcounts.block(index);
    const cluster = offset / file.clusterSize;
    if (hasReservedBits) {
      references.corruption(`ERROR refcount table entry ${index} has reserved bits set`);
      mustRebuild = true;
    } else if (!isAligned) {
      const what = 'is not cluster aligned; refcount table entry corrupted';
      references.corruption(`ERROR refcount block ${index} ${what}`);
      mustRebuild = true;
    } else if (cluster >= counts.length) {
      references.corruption(`${repairs ? 'Repairing' : 'ERROR'} refcount block ${index} is outside image`);
      if (repairs && !(await reachBlock(references, offset))) mustRebuild = true;
    } else if (offset !== 0) {
      references.count(offset, file.clusterSize);
      const count = counts.get(cluster);
      if (count === 1) continue;
      tally.corruptions++;
      file.say(`ERROR refcount block ${index} refcount=${count}`);
      mustRebuild = true;
    }
  }
  return mustRebuild;
}

/** Makes the file so long that it holds the block at `offset`; false if it cannot be. */
async function reachBlock(references: References, offset: number): Promise<boolean> {
  const { file, counts, tally } = references;
  try {
    if (offset + file.clusterSize > Number.MAX_SAFE_INTEGER) throw new ImageError('invalid', 'Invalid argument');
    await file.store.truncate(offset + file.clusterSize);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    file.say(`ERROR could not resize image: ${error.message}`);
    return false;
  }
  counts.reach(file.clusterCount);
  tally.corruptions--;
  tally.corruptionsFixed++;
  references.count(offset, file.clusterSize);
  return true;
}
