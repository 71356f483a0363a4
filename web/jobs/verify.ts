/** Reading a result back. */
import { verify } from '../../src/platform/web/index.js';
import { TARGET_SECRET } from '../output/option-field.js';
import { isKey } from '../output/rows.js';
import { knownFormats } from '../shell/engine.js';
import { type Job, type Task, workOnResult } from './jobs.js';
import { resultFiles } from './result-files.js';

/** Compares the result with the source. */
export async function verifyResult(job: Job): Promise<void> {
  const { task, result, verification } = job;
  const { value: made } = result;
  if (made === null) return;
  await workOnResult(job, 'verifying', verification, async (control) =>
    verify(task.file, await resultFiles(made), {
      ...task.source,
      ...openingOf(task),
      references: task.references,
      format: task.format,
      ...control,
    }),
  );
}

/** What reading the new image takes, if it is encrypted. */
function openingOf({ format, options, passphrase, source }: Task) {
  const secrets = { ...source.secrets, [TARGET_SECRET]: passphrase };
  const keyOption = knownFormats.value.find(({ name }) => name === format)?.keyOption;
  const isEncrypted = Object.keys(options).some((name) => isKey({ name }));
  return { secrets, options: isEncrypted && keyOption ? { [keyOption]: TARGET_SECRET } : {} };
}
