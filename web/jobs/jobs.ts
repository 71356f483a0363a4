/** Conversions: a queue, one at a time, each with all that it needs to run. */
import { batch, computed, type Signal, signal } from '@preact/signals';
import {
  type ConvertOptions,
  type ConvertReport,
  convert,
  Hold,
  type ImageError,
  type OptionValues,
  type SourceOptions,
  type TargetPlace,
  type Verification,
} from '../../src/platform/web/index.js';
import { sourceOptions } from '../image/source.js';
import { type SurveySignal, surveyAtHand } from '../image/survey.js';
import type { ImageFile } from '../intake/image-file.js';
import { chosen, isLocked, othersThan, settled, sizeWithParts } from '../intake/intake.js';
import { TARGET_SECRET } from '../output/option-field.js';
import {
  compresses,
  fileName,
  format,
  isSet,
  newPassphrase,
  options,
  padding,
  place,
  reproducible,
  snapshot,
} from '../output/output.js';
import { workspace } from '../shell/engine.js';
import { failureOf } from '../shell/failure.js';
import { pickFile } from '../shell/pickers.js';
import { Pace, type PaceReading } from './pace.js';

export type Stage = 'waiting' | 'converting' | 'finalising' | 'verifying' | 'saving' | 'done' | 'failed';

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
  /** Bytes of all the files that it consists of and builds on. */
  readonly sourceSize: number;
  readonly references: readonly ImageFile[];
  readonly source: SourceOptions;
  readonly name: string;
  readonly format: string;
  readonly options: OptionValues;
  readonly compress: boolean;
  /** Bytes of zeros that the new disk has more. */
  readonly padding: number;
  readonly reproducible: boolean;
  /** The passphrase of the source was not known. */
  readonly isLocked: boolean;
  /** The passphrase of the new image. */
  readonly passphrase: string;
  /** The file that the user chose; null: the result is downloaded in the end. */
  readonly chosenFile: FileSystemFileHandle | null;
  /** The result is several files. */
  readonly isSet: boolean;
  readonly survey: SurveySignal;
}

export interface Result {
  /** A file, or the folder of a set. */
  readonly place: TargetPlace;
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
  /** The folder that a set was saved into, or why it was not; null: not yet, or it was downloaded. */
  readonly savedInto: Signal<string | ImageError | null>;
  /** The result has been downloaded, or lies where the user wanted it. */
  readonly saved: Signal<boolean>;
  readonly hold: Hold;
  stop: AbortController;
}

export const jobs = signal<readonly Job[]>([]);

/** Something is being done with it. */
export const isActive = ({ stage }: Job) => ['converting', 'finalising', 'verifying', 'saving'].includes(stage.value);
const isWaiting = (job: Job) => job.stage.value === 'waiting';

/** A conversion is asked for, and it is still being found out of what. */
export const isPreparing = signal(false);
/** The one that runs, or else the next, or else the last one that did; null also while the next one is being prepared. */
export const current = computed(() => {
  const next = jobs.value.find(isActive) ?? jobs.value.find(isWaiting);
  return next ?? (isPreparing.value ? null : (jobs.value.at(-1) ?? null));
});
export const busy = computed(() => jobs.value.some((job) => isActive(job) || isWaiting(job)));
/** Leaving the page would lose something. */
export const unsaved = computed(
  () => busy.value || jobs.value.some((job) => job.stage.value === 'done' && !job.saved.value),
);

/** Of the queue, what the card does not tell: it goes on with the next at once. */
export const jobNews = signal('');

let lastId = 0;

/** How many conversions were asked for. */
export const asked = signal(0);

/** Queues what the form says; not twice while it is still being found out of what. */
export async function enqueue(): Promise<void> {
  if (isPreparing.value) return;
  isPreparing.value = true;
  try {
    const task = await prepare();
    if (task !== null)
      batch(() => {
        if (busy.value) jobNews.value = `${task.name} is in the queue`;
        addJob(task);
        asked.value += 1;
      });
  } finally {
    isPreparing.value = false;
  }
  void runQueue();
}

/** null: the user has thought better of it. */
async function prepare(): Promise<Task | null> {
  // First of all: browsers show the dialog only at once after a click.
  const isChosen = place.value === 'file';
  const chosenFile = isChosen ? await pickFile(fileName.value) : null;
  if (isChosen && chosenFile === null) return null;
  await settled();
  const candidate = chosen.value;
  if (candidate === null) return null;
  const name = fileName.value;
  return {
    file: candidate.file,
    sourceSize: sizeWithParts(candidate),
    references: othersThan(candidate.file),
    source: { ...sourceOptions(candidate), snapshot: snapshot.value ?? undefined },
    name: chosenFile?.name ?? name,
    format: format.value,
    options: options.value,
    compress: compresses.value,
    padding: padding.value,
    reproducible: reproducible.value,
    isLocked: isLocked.value,
    passphrase: newPassphrase.value,
    chosenFile,
    isSet: isSet.value,
    survey: surveyAtHand(),
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
    savedInto: signal(null),
    saved: signal(false),
    hold: new Hold(),
    stop: new AbortController(),
  };
  jobs.value = [...jobs.value, job];
}

async function runQueue(): Promise<void> {
  if (jobs.value.some(isActive)) return;
  const next = jobs.value.find(isWaiting);
  if (next === undefined) return;
  await runJob(next);
  if (jobs.value.some(isWaiting))
    jobNews.value = `${next.task.name} ${next.stage.value === 'done' ? 'is ready' : 'has not become anything'}`;
  await runQueue();
}

async function runJob(job: Job): Promise<void> {
  const { task } = job;
  job.stage.value = 'converting';
  const started = performance.now();
  let target: TargetPlace | null = null;
  try {
    target = task.chosenFile ?? (await newTarget(task));
    const report = await convert(task.file, target, convertOptions(job));
    const seconds = (performance.now() - started) / 1000;
    batch(() => {
      job.result.value = { place: target!, report, seconds };
      job.saved.value = task.chosenFile !== null;
      job.stage.value = 'done';
    });
  } catch (thrown) {
    if (target !== null && task.chosenFile === null) await (await workspace).remove(target);
    batch(() => {
      job.error.value = failureOf(thrown);
      job.stage.value = 'failed';
    });
  }
}

async function newTarget(task: Task): Promise<TargetPlace> {
  const room = await workspace;
  return task.isSet ? room.createFolder() : room.createFile();
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
    padding: task.padding,
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
  if (result !== null && job.task.chosenFile === null) await (await workspace).remove(result.place);
}

/** What a task with a finished result reports to, and what ends it. */
export interface ResultControl {
  onProgress(done: number, total: number): void;
  readonly signal: AbortSignal;
}

/** Does something with a finished result, `stage` being the word for it, and tells what came of it or why not. */
export async function workOnResult<T>(
  job: Job,
  stage: 'verifying' | 'saving',
  outcome: Signal<T | ImageError | null>,
  work: (control: ResultControl) => Promise<T>,
): Promise<void> {
  const pace = new Pace();
  job.stop = new AbortController();
  batch(() => {
    outcome.value = null;
    job.stage.value = stage;
    job.progress.value = null;
  });
  const onProgress = (done: number, total: number) => {
    job.progress.value = { done, total, bytesRead: 0, bytesWritten: 0, ...pace.read(done, total) };
  };
  try {
    outcome.value = await work({ onProgress, signal: job.stop.signal });
  } catch (thrown) {
    outcome.value = failureOf(thrown);
  }
  job.stage.value = 'done';
  void runQueue();
}
