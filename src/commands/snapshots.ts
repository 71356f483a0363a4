/** Internal snapshots by id, by name, or by both. */
import { ImageError } from '../errors.js';
import type { Image } from '../image/image.js';
import { formatName, type GraphNode } from './graph.js';

/** `idOrName`: an id, or else a name. Otherwise what is given must fit. */
export type SnapshotChoice = { idOrName: string } | { id: string | null; name: string | null };

/** The layer of `node` as it was at a snapshot. Throws `Failed to load snapshot: …`. */
export async function loadSnapshot(node: GraphNode, choice: SnapshotChoice): Promise<Image> {
  const image = node.kind === 'image' ? node.image : null;
  if (image?.snapshot === undefined) {
    const format = formatName(node);
    const what = `Block format '${format}' used by device '' does not support temporarily loading internal snapshots`;
    throw new ImageError('unsupported', `Failed to load snapshot: ${what}`);
  }
  const id = findSnapshot(image, choice);
  if (id === undefined) throw new ImageError('not-found', "Failed to load snapshot: Can't find snapshot");
  try {
    return await image.snapshot(id);
  } catch (error) {
    throw error instanceof ImageError ? error.prefixed('Failed to load snapshot: ') : error;
  }
}

function findSnapshot({ snapshots }: Image, choice: SnapshotChoice): string | undefined {
  if ('idOrName' in choice) {
    const { idOrName } = choice;
    return (snapshots.find(({ id }) => id === idOrName) ?? snapshots.find(({ name }) => name === idOrName))?.id;
  }
  return snapshots.find(({ id, name }) => (choice.id ?? id) === id && (choice.name ?? name) === name)?.id;
}
