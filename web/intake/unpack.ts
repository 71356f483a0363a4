/** Compressed files: they are unpacked as soon as they come, for nothing can be said of them before. */
import { signal } from '@preact/signals';
import { compressionOf, type UnpackOptions, unpack } from '../../src/platform/web/index.js';
import { workspace } from '../shell/engine.js';
import type { ImageFile } from './image-file.js';

/** What is being unpacked. */
export interface Unpacking {
  readonly name: string;
  readonly compression: string;
  /** 0 to 1, of the compressed bytes. */
  readonly share: number;
  stop(): void;
}

/** null: nothing is. */
export const unpacking = signal<Unpacking | null>(null);

/** The compressed files that unpacked ones were made of. */
const originals = new WeakMap<ImageFile, File>();

/** The file that the user has given: the compressed one, if this is what came of one. */
export function givenFile(file: ImageFile): ImageFile {
  return originals.get(file) ?? file;
}

/** The file itself, or what it unpacks to. Throws what unpacking throws; `aborted` if it was stopped. */
export async function unpackedFile(file: File): Promise<File> {
  const compression = await compressionOf(file).catch(() => null);
  if (compression === null) return file;
  const stop = new AbortController();
  const tell = (share: number) => {
    unpacking.value = { name: file.name, compression, share, stop: () => stop.abort() };
  };
  tell(0);
  try {
    const onProgress = (done: number, total: number) => tell(done / total);
    const content = await unpackIntoRoom(file, { onProgress, signal: stop.signal });
    const unpacked = new File([content], plainName(file.name), { lastModified: file.lastModified });
    originals.set(unpacked, file);
    return unpacked;
  } finally {
    unpacking.value = null;
  }
}

async function unpackIntoRoom(file: File, options: UnpackOptions): Promise<File> {
  const room = await workspace;
  const target = await room.createFile();
  try {
    await unpack(file, target, options);
    return await target.getFile();
  } catch (thrown) {
    // All that is left of what was stopped before it began, or whose engine died.
    await room.remove(target);
    throw thrown;
  }
}

/** `disk.img.gz` was `disk.img`. */
function plainName(name: string): string {
  return name.replace(/\.tgz$/i, '.tar').replace(/(.)\.(gz|xz|zst|bz2)$/i, '$1');
}
