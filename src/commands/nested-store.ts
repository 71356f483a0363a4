/** What a format is written to: storage, or the disk of another image. */
import type { EditableImage, Image } from '../image/image.js';
import { ImageStore } from '../image/source.js';
import type { ByteStore } from '../storage/storage.js';
import { type GraphNode, nodeName } from './graph.js';

/**
 * Where an image in `node` is changed; null: it cannot be. All of a raw disk is its storage, and may grow; other disks
 * serve if each byte has its place already, so that what is written there needs nothing to be finished.
 */
export function writableStore(node: GraphNode): ByteStore | null {
  if (node.kind === 'storage') return node.storage.store;
  const { driver, image, file, strongOptions } = node;
  if (driver.name === 'raw' && Object.keys(strongOptions).length === 0) return writableStore(file);
  return isEditor(image) && image.unordered ? new ImageStore(nodeName(node), image, image) : null;
}

function isEditor(image: Image): image is EditableImage {
  return 'write' in image && 'unordered' in image;
}
