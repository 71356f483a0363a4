/** Where a conversion writes: an OPFS file, or a file that the user chose. */
import type { ByteStore } from '../../storage/storage.js';
import { storageError } from './dom-errors.js';
import { OpfsStore } from './opfs-store.js';
import { WritableStore } from './writable-store.js';

/** A target and its end. */
export interface Target {
  readonly store: ByteStore;
  /** Drops what was written, so that nothing half-done is left: an OPFS file is removed, a chosen file is as before. */
  abandon(): Promise<void>;
}

/** Opens `file` for a new image; what it held is lost, at once in OPFS, in the end for a chosen file. */
export async function openTarget(file: FileSystemFileHandle): Promise<Target> {
  const path = await pathInOpfs(file);
  if (path === null) {
    const store = await WritableStore.create(file);
    return { store, abandon: () => store.abandon() };
  }
  const store = await OpfsStore.create(file);
  const abandon = async () => {
    await store.close();
    // The failure that led here is the one to tell; what cannot be removed now is left without a valid header.
    await removeFromOpfs(path).catch(() => {});
  };
  return { store, abandon };
}

/** Names from the root of OPFS down to `file`; null: it lies elsewhere. */
async function pathInOpfs(file: FileSystemFileHandle): Promise<string[] | null> {
  try {
    return await (await navigator.storage.getDirectory()).resolve(file);
  } catch (thrown) {
    throw storageError(thrown, file.name);
  }
}

async function removeFromOpfs(path: string[]): Promise<void> {
  let folder = await navigator.storage.getDirectory();
  for (const name of path.slice(0, -1)) folder = await folder.getDirectoryHandle(name);
  await folder.removeEntry(path.at(-1)!);
}
