/** The files of a result. */
import type { Result } from './jobs.js';

/** As they are in the browser's storage; those of a set have their own names there. The one to be opened is first. */
export async function resultFiles({ place, report }: Result): Promise<[File, ...File[]]> {
  if (place.kind === 'file') return [await place.getFile()];
  const files: File[] = [];
  for (const { name } of report.files) files.push(await (await place.getFileHandle(name)).getFile());
  return files as [File, ...File[]];
}
