/** Handing a result over. */
import { download, ImageError, saveInto } from '../../src/platform/web/index.js';
import { canPickFolder, pickFolder } from '../shell/pickers.js';
import { type Job, type Result, type ResultControl, workOnResult } from './jobs.js';
import { resultFiles } from './result-files.js';

/** Milliseconds between two downloads: of those that come faster, browsers lose some. */
const BETWEEN_DOWNLOADS_MS = 500;

/** Lets the browser save the result under its name, or the files of a set under theirs. */
export async function saveResult(job: Job): Promise<void> {
  const { task, result, saved } = job;
  const { value: made } = result;
  if (made === null) return;
  if (task.isSet) {
    await workOnResult(job, 'saving', job.savedInto, (control) => saveSet(job, made, control));
    return;
  }
  const [file] = await resultFiles(made);
  download(file, task.name);
  saved.value = true;
}

/** Returns the name of the folder; null: they are downloaded, or the user has thought better of it. */
async function saveSet({ saved }: Job, result: Result, control: ResultControl): Promise<string | null> {
  // First, for the browser wants the click to be fresh.
  const folder = canPickFolder ? await pickFolder() : null;
  if (canPickFolder && folder === null) return null;
  const files = await resultFiles(result);
  await (folder === null ? downloadAll(files, control) : saveInto(folder, files, control));
  saved.value = true;
  return folder?.name ?? null;
}

/** One after the other; the one to be opened, which names the others, comes last. */
async function downloadAll([first, ...others]: readonly [File, ...File[]], { signal }: ResultControl): Promise<void> {
  for (const [index, file] of others.entries()) {
    download(file, file.name);
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_DOWNLOADS_MS));
    if (signal.aborted) throw new ImageError('aborted', `Cancelled after ${index + 1} of ${others.length + 1} files`);
  }
  download(first, first.name);
}
