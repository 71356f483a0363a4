/** Conversions: a queue, one at a time, each with all that it needs to run. */
import { batch, computed, type Signal, signal } from '@preact/signals';
import {
  type ConvertOptions,
  type ConvertReport,
  convert,
  Hold,
  ImageError,
  type OptionValues,
  type SourceOptions,
  type Survey,
  type Verification,
  verify,
} from '../../src/platform/web/index.js';
import { sourceOptions } from '../image/source.js';
import { currentSurvey } from '../image/survey.js';
import { chosen, type ImageFile, othersThan, settled } from '../intake/intake.js';
import { TARGET_SECRET } from '../output/option-field.js';
import {
  compresses,
  fileName,
  format,
  newPassphrase,
  options,
  place,
  reproducible,
  snapshot,
} from '../output/output.js';
import { isKey } from '../output/rows.js';
import { knownFormats, workspace } from '../shell/engine.js';
import { Pace, type PaceReading } from './pace.js';

export type Stage = 'waiting' | 'converting' | 'finalising' | 'verifying' | 'done' | 'failed';

export interface Progress extends PaceReading {
  /** Bytes of the disk. */
  done: number;
  total: number;
  bytesRead: number;
  bytesWritten: number;
}

/** What a conversion is made of; it does not change when the form does. */
export interface Task {
  readonly file: ImageFile;
  readonly references: readonly ImageFile[];
  readonly source: SourceOptions;
  readonly name: string;
  readonly format: string;
  readonly options: OptionValues;
  readonly compress: boolean;
  readonly reproducible: boolean;
  /** The passphrase of the new image. */
  readonly passphrase: string;
  /** The file that the user chose; null: the result is downloaded in the end. */
  readonly chosenFile: FileSystemFileHandle | null;
  readonly survey: Survey | null;
}

export interface Result {
  readonly handle: FileSystemFileHandle;
  readonly report: ConvertReport;
  readonly seconds: number;
}

export interface Job {
  readonly id: number;
  readonly task: Task;
  readonly stage: Signal<Stage>;
  readonly held: Signal<boolean>;
  readonly progress: Signal<Progress | null>;
  readonly result: Signal<Result | null>;
  readonly error: Signal<ImageError | null>;
  readonly verification: Signal<Verification | ImageError | null>;
  /** The result has been downloaded, or lies where the user wanted it. */
  readonly saved: Signal<boolean>;
  readonly hold: Hold;
  stop: AbortController;
}

export const jobs = signal<readonly Job[]>([]);

const isActive = (job: Job) => ['converting', 'finalising', 'verifying'].includes(job.stage.value);
const isWaiting = (job: Job) => job.stage.value === 'waiting';

/** Conversions that are asked for, while it is still being found out of what. */
export const preparing = signal(0);
/** The one that runs, or else the next, or else the last one that did; null also while the next one is being prepared. */
export const current = computed(() => {
  const next = jobs.value.find(isActive) ?? jobs.value.find(isWaiting);
  return next ?? (preparing.value > 0 ? null : (jobs.value.at(-1) ?? null));
});
export const busy = computed(() => jobs.value.some((job) => isActive(job) || isWaiting(job)));
/** Leaving the page would lose something. */
export const unsaved = computed(
  () => busy.value || jobs.value.some((job) => job.stage.value === 'done' && !job.saved.value),
);

let lastId = 0;

/** Queues what the form says. */
export async function enqueue(): Promise<void> {
  preparing.value += 1;
  try {
    const task = await prepare();
    if (task !== null) addJob(task);
  } finally {
    preparing.value -= 1;
  }
  void runQueue();
}

/** null: the user has thought better of it. */
async function prepare(): Promise<Task | null> {
  await settled();
  const candidate = chosen.value;
  if (candidate === null) return null;
  const name = fileName.value;
  const chosenFile = place.value === 'file' ? await chooseFile(name) : null;
  if (place.value === 'file' && chosenFile === null) return null;
  return {
    file: candidate.file,
    references: othersThan(candidate.file),
    source: { ...sourceOptions(candidate), snapshot: snapshot.value ?? undefined },
    name: chosenFile?.name ?? name,
    format: format.value,
    options: options.value,
    compress: compresses.value,
    reproducible: reproducible.value,
    passphrase: newPassphrase.value,
    chosenFile,
    survey: currentSurvey.value,
  };
}

function addJob(task: Task): void {
  lastId += 1;
  const job: Job = {
    id: lastId,
    task,
    stage: signal('waiting'),
    held: signal(false),
    progress: signal(null),
    result: signal(null),
    error: signal(null),
    verification: signal(null),
    saved: signal(false),
    hold: new Hold(),
    stop: new AbortController(),
  };
  jobs.value = [...jobs.value, job];
}

declare global {
  interface Window {
    showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
  }
}

/** null: the user has thought better of it. */
async function chooseFile(suggestedName: string): Promise<FileSystemFileHandle | null> {
  try {
    return (await window.showSaveFilePicker?.({ suggestedName })) ?? null;
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') return null;
    throw thrown;
  }
}

async function runQueue(): Promise<void> {
  if (jobs.value.some(isActive)) return;
  const next = jobs.value.find(isWaiting);
  if (next === undefined) return;
  await runJob(next);
  await runQueue();
}

async function runJob(job: Job): Promise<void> {
  const { task } = job;
  job.stage.value = 'converting';
  const started = performance.now();
  let handle: FileSystemFileHandle | null = null;
  try {
    handle = task.chosenFile ?? (await (await workspace).createFile());
    const report = await convert(task.file, handle, convertOptions(job));
    const seconds = (performance.now() - started) / 1000;
    batch(() => {
      job.result.value = { handle: handle!, report, seconds };
      job.saved.value = task.chosenFile !== null;
      job.stage.value = 'done';
    });
  } catch (thrown) {
    if (handle !== null && task.chosenFile === null) await (await workspace).remove(handle);
    batch(() => {
      job.error.value = errorOf(thrown);
      job.stage.value = 'failed';
    });
  }
}

function convertOptions(job: Job): ConvertOptions {
  const { task, hold, stop } = job;
  const pace = new Pace();
  return {
    ...task.source,
    secrets: { ...task.source.secrets, [TARGET_SECRET]: task.passphrase },
    references: task.references,
    format: task.format,
    targetName: task.name,
    options: task.options,
    compress: task.compress,
    reproducible: task.reproducible,
    hold,
    signal: stop.signal,
    onProgress: ({ phase, done, total, bytesRead, bytesWritten }) => {
      if (job.stage.value !== 'converting') return;
      batch(() => {
        job.progress.value = { done, total, bytesRead, bytesWritten, ...pace.read(done, total) };
        if (phase === 'finalising') job.stage.value = 'finalising';
      });
    },
  };
}

/** Stops reading, or goes on. */
export function togglePause(job: Job): void {
  job.held.value = !job.held.value;
  job.hold.held = job.held.value;
}

/** Ends a job that runs; takes one that waits out of the queue. */
export function cancel(job: Job): void {
  if (isWaiting(job)) jobs.value = jobs.value.filter((each) => each !== job);
  else job.stop.abort();
}

/** Queues the same again. */
export function retry(job: Job): void {
  batch(() => {
    job.error.value = null;
    job.progress.value = null;
    job.held.value = false;
    job.stage.value = 'waiting';
  });
  job.stop = new AbortController();
  job.hold.held = false;
  void runQueue();
}

/** Forgets a job that has ended, and frees its room. */
export async function discard(job: Job): Promise<void> {
  jobs.value = jobs.value.filter((each) => each !== job);
  const { value: result } = job.result;
  if (result !== null && job.task.chosenFile === null) await (await workspace).remove(result.handle);
}

/** Reads the result back and compares it with the source. */
export async function verifyResult(job: Job): Promise<void> {
  const { task, result } = job;
  if (result.value === null) return;
  const pace = new Pace();
  job.stop = new AbortController();
  batch(() => {
    job.verification.value = null;
    job.stage.value = 'verifying';
    job.progress.value = null;
  });
  try {
    job.verification.value = await verify(task.file, await result.value.handle.getFile(), {
      ...task.source,
      ...(await openingOf(task)),
      references: task.references,
      format: task.format,
      signal: job.stop.signal,
      onProgress: (done, total) => {
        job.progress.value = { done, total, bytesRead: 0, bytesWritten: 0, ...pace.read(done, total) };
      },
    });
  } catch (thrown) {
    job.verification.value = errorOf(thrown);
  }
  job.stage.value = 'done';
  void runQueue();
}

/** What reading the new image takes, if it is encrypted. */
async function openingOf({ format, options, passphrase, source }: Task) {
  const secrets = { ...source.secrets, [TARGET_SECRET]: passphrase };
  const keyOption = (await knownFormats()).find(({ name }) => name === format)?.keyOption;
  const isEncrypted = Object.keys(options).some((name) => isKey({ name }));
  return { secrets, options: isEncrypted && keyOption ? { [keyOption]: TARGET_SECRET } : {} };
}

function errorOf(thrown: unknown): ImageError {
  if (thrown instanceof ImageError) return thrown;
  // A fault of this page, not of the image.
  console.error(thrown);
  return new ImageError('io', thrown instanceof Error ? thrown.message : String(thrown));
}
