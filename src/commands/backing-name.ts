/** The name of a backing file, as the image has it and as it is to be opened. */
import { ImageError } from '../errors.js';
import { protocolPrefix, resolveReference } from './file-names.js';
import { type ImageNode, storageOf } from './graph.js';

/** An image that is its own backing file, by whatever name. */
export function endlessChain(name: string): ImageError {
  return new ImageError('corrupt', `Backing file '${name}' creates an infinite loop.`, { file: name });
}

/** The backing file's name as it is to be opened. Throws `invalid` where a relative name means nothing. */
export function fullBackingName(node: ImageNode): string {
  const { fileName, driver } = storageOf(node.file);
  const { name } = node.image.backing!;
  if (
    fileName === null ||
    (protocolPrefix(fileName) !== null && !name.startsWith('/') && protocolPrefix(name) === null)
  )
    throw new ImageError('invalid', `Cannot generate a base directory for ${driver} nodes`);
  return resolveReference(fileName, name);
}
