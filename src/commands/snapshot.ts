/** `snapshot`: lists, makes, applies and deletes the internal snapshots of an image. */
import { ImageError } from '../errors.js';
import type { EditableImage, SnapshotInfo } from '../image/image.js';
import { type GraphNode, viewedImage } from './graph.js';
import { ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import { type ImageName, sharedForWriting, type Trust } from './settings.js';

export interface SnapshotRequest extends ImageName, Trust {
  /** Open the image even if somebody else may be writing to it; only for listing. */
  share: boolean;
}

/** What is to be done, and to which snapshot. */
export interface SnapshotAction {
  kind: 'apply' | 'create' | 'delete';
  /** Of the snapshot; to apply one, its id will do as well. */
  name: string;
}

/** The snapshots in the order of the image's table; none for formats without. Throws `Could not open 'NAME': …`. */
export async function listSnapshots(platform: Platform, request: SnapshotRequest): Promise<readonly SnapshotInfo[]> {
  const { share } = request;
  return ImageOpener.use(platform, request, async (opener) => {
    const node = await opener.open(request, { cache: 'writeback', share, chain: true, content: true });
    return snapshotsOf(node);
  });
}

function snapshotsOf(node: GraphNode): readonly SnapshotInfo[] {
  return node.kind === 'image' ? viewedImage(node).image.snapshots : [];
}

/**
 * Changes the snapshots of an image. Throws `Could not ACTION snapshot 'NAME': …`.
 *
 * @param time seconds since 1970 for a new snapshot; null: now
 */
export async function changeSnapshots(
  platform: Platform,
  request: SnapshotRequest,
  { kind, name }: SnapshotAction,
  time: number | null,
): Promise<void> {
  if (request.share && !request.imageOptions) throw sharedForWriting().prefixed(`Could not open '${request.name}': `);
  await ImageOpener.use(platform, request, async (opener) => {
    const { editor } = await opener.edit(request, { cache: 'writeback', compress: false, keepAllocated: false });
    try {
      if (kind === 'create') await create(editor, name, time);
      else if (kind === 'apply') await apply(editor, name);
      else await remove(editor, name);
      await editor.finish();
    } catch (error) {
      throw error instanceof ImageError ? error.prefixed(`Could not ${kind} snapshot '${name}': `) : error;
    }
  });
}

async function create(editor: EditableImage, name: string, time: number | null): Promise<void> {
  if (editor.createSnapshot === undefined) throw new ImageError('unsupported', 'Operation not supported');
  const milliseconds = time === null ? Date.now() : time * 1000;
  const seconds = Math.floor(milliseconds / 1000);
  await editor.createSnapshot({ name, date: { seconds, nanoseconds: (milliseconds % 1000) * 1_000_000 } });
}

async function apply(editor: EditableImage, name: string): Promise<void> {
  if (editor.applySnapshot === undefined)
    throw new ImageError('unsupported', 'Block driver does not support snapshots');
  await editor.applySnapshot(name);
}

async function remove(editor: EditableImage, name: string): Promise<void> {
  const snapshot = editor.snapshots.find((each) => each.name === name);
  if (editor.deleteSnapshot === undefined || snapshot === undefined)
    throw new ImageError('not-found', 'snapshot not found');
  await editor.deleteSnapshot(snapshot);
}
