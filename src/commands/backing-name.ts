/** The name of a backing file, as the image has it and as it is to be opened. */
import { ImageError } from '../errors.js';
import { protocolPrefix, resolveReference } from './file-names.js';
import { type ImageNode, placeOf, storageOf } from './graph.js';

/** An image that is its own backing file, by whatever name. */
export function endlessChain(name: string): ImageError {
  return new ImageError('corrupt', `Backing file '${name}' creates an infinite loop.`, { file: name });
}

/** The backing file's name as it is to be opened. Throws `invalid` where a relative name means nothing. */
export function fullBackingName(node: ImageNode): string {
  const { name } = node.image.backing!;
  const isRelative = !name.startsWith('/') && protocolPrefix(name) === null;
  if (!isRelative) return name;
  const place = placeOf(node);
  if (protocolPrefix(place) !== null)
    throw new ImageError('invalid', `Cannot generate a base directory for ${storageOf(node).driver} nodes`);
  return resolveReference(place, name);
}
