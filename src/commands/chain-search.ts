/** Finding an image in a backing chain by its name. */
import { fullBackingName } from './backing-name.js';
import { protocolPrefix, resolveReference } from './file-names.js';
import { chainOf, type GraphNode, type ImageNode, nodeName } from './graph.js';
import type { Platform } from './platform.js';

/**
 * The backing file below `top` that `name` means: as the image above it has it, as it is opened, or, for a path, counted
 * from the directory of the image above it. null: there is none.
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
  if (name === backing?.name || name === nodeName(overlay.backing!)) return true;
  const overlayName = nodeName(overlay);
  if (backing === null || [name, backing.name, overlayName].some((each) => protocolPrefix(each) !== null)) return false;
  const meant = await platform.realPath(resolveReference(overlayName, name));
  return meant === (await platform.realPath(fullBackingName(overlay)));
}
