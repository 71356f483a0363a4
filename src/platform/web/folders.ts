/** Files by their names, in a folder of OPFS or one that the user chose. */
import { ImageError } from '../../errors.js';
import { storageError } from './dom-errors.js';

/** The file of this name, which is made if there is none. Throws `invalid` for a name that the browser does not allow. */
export async function fileIn(folder: FileSystemDirectoryHandle, name: string): Promise<FileSystemFileHandle> {
  try {
    return await folder.getFileHandle(name, { create: true });
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw storageError(thrown, name);
    throw new ImageError('invalid', `The browser does not allow the file name '${name}'`, { cause: thrown });
  }
}

/** Whether a file or folder of this name is there. Throws what keeps the browser from knowing it. */
export async function isIn(folder: FileSystemDirectoryHandle, name: string): Promise<boolean> {
  try {
    await folder.getFileHandle(name);
    return true;
  } catch (thrown) {
    const reason = thrown instanceof Error || thrown instanceof DOMException ? thrown.name : '';
    // A folder where a file was asked for is there, too.
    if (reason === 'TypeMismatchError') return true;
    if (reason === 'NotFoundError' || reason === 'TypeError') return false;
    throw storageError(thrown, name);
  }
}
