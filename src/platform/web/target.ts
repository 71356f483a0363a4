/** Where a conversion writes: files of OPFS, or a file that the user chose. */
import { ImageError } from '../../errors.js';
import type { ByteStore } from '../../storage/storage.js';
import { storageError } from './dom-errors.js';
import { fileIn } from './folders.js';
import { OpfsStore } from './opfs-store.js';
import { WritableStore } from './writable-store.js';

/** A target and its bad end. */
export interface Target {
  readonly store: ByteStore;
  /** Drops what was written, so that closing leaves nothing that looks like a finished image; before `close`. */
  discard(): void;
  /** After `discard` and `close`: takes the file away, if it is one of OPFS. */
  remove(): Promise<void>;
}

/**
 * Opens `file` for a new image; what it held is lost, at once in OPFS, in the end for a chosen file. `name` is what messages
 * call one of OPFS; `onFinalising` is told before the browser moves a chosen file into place.
 */
export async function openTarget(
  file: FileSystemFileHandle,
  name: string,
  onFinalising: () => void = () => {},
): Promise<Target> {
  const path = await pathInOpfs(file);
  if (path === null) {
    const store = await WritableStore.create(file, onFinalising);
    return { store, discard: () => store.abandon(), remove: async () => {} };
  }
  const store = await OpfsStore.create(file, name);
  return { store, discard: () => store.empty(), remove: () => removeFromOpfs(path) };
}

/**
 * Opens a file in a folder of OPFS for a new image; what a file of this name held is lost. Throws `unsupported` for a
 * folder that the user chose: several files that are finished one by one cannot all be left as they were.
 */
export async function openTargetIn(folder: FileSystemDirectoryHandle, name: string): Promise<Target> {
  if ((await pathInOpfs(folder)) === null)
    throw new ImageError('unsupported', 'The files of an image can only be made in OPFS', { file: folder.name });
  return openTarget(await fileIn(folder, name), name);
}

/** Names from the root of OPFS down to `entry`; null: it lies elsewhere. */
async function pathInOpfs(entry: FileSystemHandle): Promise<string[] | null> {
  try {
    return await (await navigator.storage.getDirectory()).resolve(entry);
  } catch (thrown) {
    throw storageError(thrown, entry.name);
  }
}

/** What cannot be removed now is empty at least. */
async function removeFromOpfs(path: string[]): Promise<void> {
  try {
    let folder = await navigator.storage.getDirectory();
    for (const name of path.slice(0, -1)) folder = await folder.getDirectoryHandle(name);
    await folder.removeEntry(path.at(-1)!);
  } catch (thrown) {
    // The failure that led here is the one to tell.
    if (!(thrown instanceof DOMException)) throw thrown;
  }
}
