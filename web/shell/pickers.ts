/** The browser's dialogs for a place on the user's disk, where it has them. */

declare global {
  interface Window {
    showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
    showDirectoryPicker?(options: { mode: 'readwrite' }): Promise<FileSystemDirectoryHandle>;
  }
}

/** Can this browser write into a file that the user chooses? */
export const canPickFile = 'showSaveFilePicker' in globalThis;
/** And into a folder? */
export const canPickFolder = 'showDirectoryPicker' in globalThis;

/** Seconds a GiB that a browser takes in the end to move what was written into the place that the user chose. */
export const FINALISING = { least: 4, most: 12 };

/** A file to write into; null: the user has thought better of it. */
export function pickFile(suggestedName: string): Promise<FileSystemFileHandle | null> {
  return picked(window.showSaveFilePicker?.({ suggestedName }));
}

/** A folder to write into; null: the user has thought better of it. */
export function pickFolder(): Promise<FileSystemDirectoryHandle | null> {
  return picked(window.showDirectoryPicker?.({ mode: 'readwrite' }));
}

async function picked<T>(dialog: Promise<T> | undefined): Promise<T | null> {
  try {
    return (await dialog) ?? null;
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') return null;
    throw thrown;
  }
}
