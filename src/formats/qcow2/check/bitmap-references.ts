/** References of the bitmaps: their directory, their tables, their data. */
import { viewOf } from '../../../bytes.js';
import { ImageError } from '../../../errors.js';
import { type Bitmap, isSoundEntry, readBitmaps } from '../bitmaps.js';
import { ENTRY_SIZE, hostOffsetOf } from '../layout.js';
import type { References } from './references.js';

/** Throws if directory or tables make no sense: then nothing is known of what they refer to. */
export async function bitmapReferences(references: References): Promise<void> {
  const { file } = references;
  const { bitmaps: extension } = file.header.extensions;
  if (extension === null) return;
  references.count(extension.directoryOffset, extension.directorySize);
  for (const bitmap of await directoryOf(references)) {
    references.count(bitmap.tableOffset, bitmap.tableSize * ENTRY_SIZE);
    await countData(references, bitmap);
  }
}

async function directoryOf({ file, tally }: References): Promise<Bitmap[]> {
  try {
    return await readBitmaps(file.source, file.header);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    tally.corruptions++;
    throw invalid();
  }
}

async function countData(references: References, { tableOffset, tableSize }: Bitmap): Promise<void> {
  const { file, tally } = references;
  // what lies beyond the end of the file refers to nothing
  const stored = Math.min(tableSize * ENTRY_SIZE, Math.max(0, file.source.size - tableOffset));
  const table = new Uint8Array(Math.ceil(stored / ENTRY_SIZE) * ENTRY_SIZE);
  await file.read(tableOffset, table);
  const view = viewOf(table);
  for (let at = 0; at < table.length; at += ENTRY_SIZE) {
    if (isSoundEntry(view.getUint32(at), view.getUint32(at + 4), file.clusterSize)) continue;
    tally.corruptions++;
    throw invalid();
  }
  for (let at = 0; at < table.length; at += ENTRY_SIZE) {
    const offset = hostOffsetOf(view.getUint32(at), view.getUint32(at + 4));
    if (offset !== 0) references.count(offset, file.clusterSize);
  }
}

function invalid(): ImageError {
  return new ImageError('corrupt', 'Invalid argument');
}
