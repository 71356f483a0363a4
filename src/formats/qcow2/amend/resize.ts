/** Another size of the disk, as a step of an amendment. */
import { ImageError } from '../../../errors.js';
import type { MetadataFile } from '../metadata-file.js';

/** Throws `unsupported` unless the disk has that size already. */
export async function resizeDisk(file: MetadataFile, size: number): Promise<void> {
  if (size !== file.header.size) throw new ImageError('unsupported', 'Changing the size is not supported');
}
