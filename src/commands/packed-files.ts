/** Packed files among the images that the user names: `disk.qcow2.gz`, `appliance.ova`. */
import type { ImageDriver } from '../image/driver.js';
import { ReadOnlyStore } from '../storage/read-only.js';
import type { ByteStore } from '../storage/storage.js';
import { unpack } from '../unpack/unpack.js';
import type { UnpackWishes } from '../unpack/unpacking.js';
import type { GraphNode } from './graph.js';
import type { Platform } from './platform.js';

export interface PackedFileContext {
  platform: Platform;
  wishes: UnpackWishes | undefined;
  /** Told of what has to be closed. */
  onScratch(store: ByteStore): void;
  signal?: AbortSignal | undefined;
}

/**
 * The node that a packed file holds; `file` itself where it is none, where the user has said that it is a raw disk, or where
 * the platform cannot unpack. Throws what unpacking throws.
 */
export async function unpackedFile(
  file: GraphNode,
  given: ImageDriver | null,
  { platform, wishes, onScratch, signal }: PackedFileContext,
): Promise<GraphNode> {
  const { unpacking, kernels } = platform;
  if (unpacking === undefined || given?.name === 'raw' || file.kind !== 'storage') return file;
  const { storage } = file;
  if (storage.driver !== 'file') return file;
  const content = await unpack(storage.store, { ...wishes, unpacking, kernels, onScratch, signal });
  if (content === null) return file;
  const store = new ReadOnlyStore(storage.store.name, content);
  return { kind: 'storage', storage: { ...storage, store }, children: [] };
}
