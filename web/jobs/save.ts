/** Handing a result over. */
import { download } from '../../src/platform/web/index.js';
import type { Job } from './jobs.js';

/** Lets the browser save the result under its name. */
export async function saveResult(job: Job): Promise<void> {
  if (job.result.value === null) return;
  download(await job.result.value.handle.getFile(), job.task.name);
  job.saved.value = true;
}
