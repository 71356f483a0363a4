/**
 * Room for results in OPFS.
 *
 * Each page has a folder of its own and holds a lock of the same name for as long as it lives. What a page that was
 * closed, or that crashed, left behind is removed by the next one: its lock is free.
 */
import { storageError } from './dom-errors.js';

/** A worker that died holds its file a little longer; what cannot be removed then is left to the next start. */
const MOST_TRIES = 50;
const TRY_AGAIN_MS = 100;

export class Workspace {
  private constructor(private readonly folder: FileSystemDirectoryHandle) {}

  /** Opens this page's folder below `root`, a folder in the root of OPFS, and removes those of pages that are gone. */
  static async open(root = 'diskloom'): Promise<Workspace> {
    try {
      const rooms = await (await navigator.storage.getDirectory()).getDirectoryHandle(root, { create: true });
      const id = crypto.randomUUID();
      await holdLock(lockName(root, id));
      await removeLeftovers(rooms, root);
      return new Workspace(await rooms.getDirectoryHandle(id, { create: true }));
    } catch (thrown) {
      throw storageError(thrown, root);
    }
  }

  /** A new empty file; its name is unique in this page and has nothing to do with the name it is saved under. */
  createFile(): Promise<FileSystemFileHandle> {
    return this.folder.getFileHandle(crypto.randomUUID(), { create: true });
  }

  /** The same for a result of several files, which lie in it under their own names. */
  createFolder(): Promise<FileSystemDirectoryHandle> {
    return this.folder.getDirectoryHandle(crypto.randomUUID(), { create: true });
  }

  /** Frees the space of a file or folder; not while it is being downloaded. One that is gone already is no error. */
  async remove(entry: FileSystemHandle): Promise<void> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      try {
        return await this.folder.removeEntry(entry.name, { recursive: true });
      } catch (thrown) {
        if (!(thrown instanceof DOMException) || thrown.name !== 'NoModificationAllowedError') return;
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
      }
    }
  }
}

function lockName(root: string, id: string): string {
  return `${root}/${id}`;
}

/** Done once the lock is held; it is held until the page goes away. */
function holdLock(name: string): Promise<void> {
  return new Promise((held, failed) => {
    navigator.locks.request(name, () => new Promise<never>(() => held())).catch(failed);
  });
}

async function removeLeftovers(rooms: FileSystemDirectoryHandle, root: string): Promise<void> {
  for await (const id of rooms.keys()) {
    await navigator.locks.request(lockName(root, id), { ifAvailable: true }, async (lock) => {
      // A file that cannot be removed now, say while a download still reads it, is left to the next start.
      if (lock !== null) await rooms.removeEntry(id, { recursive: true }).catch(() => {});
    });
  }
}
