/** Copying inside the storage (-C): the bytes never pass through this process. */
import type { Image } from '../image/image.js';
import { contentOf, type GraphNode } from './graph.js';
import type { OpenStorage } from './platform.js';

/**
 * Copies a guest range from where the source's extents say it lies to the same offset of a target that is nothing but
 * the disk. Answers false where that cannot be: compressed or scattered data, other kinds of storage.
 */
export function copyOffload(
  source: Image,
  chain: readonly GraphNode[],
  target: OpenStorage,
  targetReadsZero: boolean,
): (offset: number, length: number) => Promise<boolean> {
  return async (offset, length) => {
    if (target.copyFrom === undefined) return false;
    const end = offset + length;
    for (let at = offset; at < end; ) {
      for (const { start, length: count, kind, compressed, hostOffset, depth, file } of await source.extents(
        at,
        end - at,
      )) {
        at = start + count;
        if (kind !== 'data' && targetReadsZero) continue;
        const layer = chain[depth];
        const from = layer && ownContentOf(layer, file);
        if (hostOffset === null || compressed || from === undefined) return false;
        if (!(await target.copyFrom(from.store, hostOffset, start, count))) return false;
      }
    }
    return true;
  };
}

/** As `contentOf`, but only where the image lies in the storage itself, and not in a disk inside another image. */
function ownContentOf(node: GraphNode, file?: string): OpenStorage | undefined {
  const isNested = node.kind !== 'storage' && node.file.kind !== 'storage';
  return isNested ? undefined : contentOf(node, file);
}
