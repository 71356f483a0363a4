/** Finding an image in a backing chain by its name. */
import { fullBackingName } from './backing-name.js';
import { protocolPrefix, resolveReference } from './file-names.js';
import { chainOf, type GraphNode, type ImageNode, nodeName } from './graph.js';
import type { Platform } from './platform.js';

/**
 * The backing file below `top` that `name` means: a path, counted from the directory of the image above it, or anything
 * else just as that image has it or as it is opened. null: there is none.
 */
export async function findBackingFile(platform: Platform, top: GraphNode, name: string): Promise<GraphNode | null> {
  for (const overlay of chainOf(top)) {
    if (overlay.kind === 'storage' || overlay.backing === null) return null;
    if (await meansBacking(platform, overlay, name)) return overlay.backing;
  }
  return null;
}

async function meansBacking(platform: Platform, overlay: ImageNode, name: string): Promise<boolean> {
  const { backing } = overlay.image;
  const opened = nodeName(overlay.backing!);
  if (backing === null) return name === opened;
  if (!isPath(name) || !isPath(backing.name)) return name === backing.name || name === opened;
  if (!isPath(nodeName(overlay))) return false;
  const meant = await platform.realPath(resolveReference(nodeName(overlay), name));
  return meant === (await platform.realPath(fullBackingName(overlay)));
}

function isPath(name: string): boolean {
  return protocolPrefix(name) === null;
}
