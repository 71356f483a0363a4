/** Another size of the disk, as a step of an amendment. */
import type { EditRequest } from '../../../image/driver.js';
import { QcowEditor } from '../editor.js';
import type { QcowParts } from '../image.js';
import type { MetadataFile } from '../metadata-file.js';

/** Throws what resizing throws. What the disk grows by reads as zeros, also before a longer backing file. */
export async function resizeDisk(
  file: MetadataFile,
  parts: QcowParts,
  request: EditRequest,
  size: number,
): Promise<void> {
  const { header, writing } = file;
  if (size === header.size) return;
  await file.settle();
  const backing = header.backingFile === null ? null : ((await request.backing?.()) ?? null);
  const hidesBacking = backing !== null && backing.size > header.size;
  const editor = new QcowEditor({ ...parts, header, tables: writing.tables }, writing, request);
  await editor.resize(size, { preallocation: 'off', hidesBacking });
  await editor.finish();
}
