/**
 * Handing over an image of several files: it goes into a folder that the user chose, as a whole or not at all.
 *
 * A part of a set may look like all of it. So nothing that is there already is written over, what was written goes
 * away again after a failure, and the file that is to be opened, which names the others, comes last.
 */
import { ImageError, throwIfAborted } from '../../errors.js';
import { storageError } from './dom-errors.js';
import { fileIn, isIn } from './folders.js';
import type { OnStep } from './protocol.js';

/** Bytes of one request; its cost is high whatever its size. */
const STEP = 8 * 1024 * 1024;

export interface SaveOptions {
  /** Bytes that are copied, of all. The browser looks at each file once it is complete, seconds a gigabyte. */
  onProgress?: OnStep;
  /** Ends the copying, which then throws `aborted`. */
  signal?: AbortSignal | undefined;
}

/**
 * Copies `files` into `folder` under their own names, the first one last. Throws `exists` if there is something of one
 * of these names, `denied`, `no-space`, `aborted`; nothing of them is left in the folder then, unless the message says so.
 */
export async function saveInto(
  folder: FileSystemDirectoryHandle,
  files: readonly File[],
  { onProgress, signal }: SaveOptions = {},
): Promise<void> {
  for (const { name } of files)
    if (await isIn(folder, name)) throw new ImageError('exists', `'${name}' is already in the folder '${folder.name}'`);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const onBytes = (count: number) => {
    done += count;
    onProgress?.(done, total);
  };
  const begun: string[] = [];
  try {
    for (const file of [...files.slice(1), ...files.slice(0, 1)]) {
      throwIfAborted(signal);
      begun.push(file.name);
      await copyInto(folder, file, onBytes, signal);
    }
  } catch (thrown) {
    throw withRest(storageError(thrown, begun.at(-1) ?? folder.name), await removeAll(folder, begun));
  }
}

async function copyInto(
  folder: FileSystemDirectoryHandle,
  file: File,
  onBytes: (count: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stream = await (await fileIn(folder, file.name)).createWritable();
  try {
    for (let at = 0; at < file.size; at += STEP) {
      throwIfAborted(signal);
      const piece = file.slice(at, at + STEP);
      await stream.write(piece);
      onBytes(piece.size);
    }
    await stream.close();
    throwIfAborted(signal);
  } catch (thrown) {
    await stream.abort().catch(() => {});
    throw thrown;
  }
}

/** Returns the names of those that stayed. */
async function removeAll(folder: FileSystemDirectoryHandle, names: readonly string[]): Promise<string[]> {
  const left: string[] = [];
  for (const name of names) {
    try {
      if (await isIn(folder, name)) await folder.removeEntry(name);
    } catch {
      left.push(name);
    }
  }
  return left;
}

/** The failure, and what it has left behind. */
function withRest(failure: ImageError, left: readonly string[]): ImageError {
  const rest =
    left.length === 0 ? 'nothing is left in the folder' : `left in the folder, incomplete: ${left.join(', ')}`;
  return new ImageError(failure.code, `${failure.message}; ${rest}`, { file: failure.file, cause: failure });
}
