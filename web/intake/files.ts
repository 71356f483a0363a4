/** Files from a drop: also those in folders, such as the parts of a Parallels `.hdd` bundle. */
import type { ImageFile } from './image-file.js';

/** Files of one drop that are looked at; a folder may hold anything. */
const MOST_FILES = 500;

/** Paths of the folders that dropped files were in. */
const folders = new WeakMap<ImageFile, string>();

/** `/machines/web` within what was dropped; empty for a file that came by itself. */
export function folderOf(file: ImageFile): string {
  return folders.get(file) ?? '';
}

/** Whatever was made of a file has its folder. */
export function comesFrom(made: ImageFile, file: ImageFile): void {
  folders.set(made, folderOf(file));
}

/** All files of a drop, folders searched. Must be called while the event is handled. */
export async function droppedFiles(transfer: DataTransfer): Promise<File[]> {
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry?.() ?? []);
  // Without entries (some browsers, some sources) the plain list is all there is.
  if (entries.length === 0) return [...transfer.files];
  const files: File[] = [];
  for (const entry of entries) await collect(entry, files);
  return files;
}

async function collect(entry: FileSystemEntry, files: File[]): Promise<void> {
  if (files.length >= MOST_FILES) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    folders.set(file, entry.fullPath.slice(0, entry.fullPath.lastIndexOf('/')));
    files.push(file);
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // It answers in batches, an empty one at the end.
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return;
    for (const each of batch) await collect(each, files);
  }
}
