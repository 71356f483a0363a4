/** The conversion at hand: how far it is, and what came of it. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { formatWords } from '../image/facts.js';
import { Strip } from '../image/strip.js';
import { useKeptFocus } from '../shell/kept-focus.js';
import { FINALISING } from '../shell/pickers.js';
import { durationText, percentText, sizeText } from '../shell/text.js';
import { adviceFor, mayPass, placeOf } from './advice.js';
import './jobs.css';
import {
  asked,
  cancel,
  current,
  discard,
  isActive,
  isPreparing,
  type Job,
  retry,
  type Stage,
  togglePause,
} from './jobs.js';
import type { PaceReading } from './pace.js';
import { ResultFacts } from './result.js';
import { saveResult } from './save.js';
import { verifyResult } from './verify.js';

/** Always there, so that a screen reader knows the place where news come from. */
export function JobCard() {
  const job = current.value;
  const card = useRef<HTMLElement>(null);
  const stage = job?.stage.value;
  const show = () => card.current?.scrollIntoView({ block: 'nearest' });
  useEffect(() => {
    // On a narrow screen it would begin out of sight.
    if (asked.value > 0) show();
  }, [asked.value]);
  useEffect(() => {
    if (stage === 'done' && !isWriting()) show();
  }, [stage]);
  const keepFocus = useKeptFocus(card);
  return (
    <section
      ref={card}
      class={`card job ${job === null ? 'none' : stage}`}
      aria-label="Conversion"
      tabIndex={-1}
      {...keepFocus}
    >
      {job !== null && (
        <header class="job-head">
          <h2>{job.task.name}</h2>
          <p class="quiet">
            {job.task.file.name} to {formatWords(job.task.format)}
            {job.task.compress && ', compressed'}
          </p>
        </header>
      )}
      <p class="status" role="status">
        {job !== null ? statusText(job) : isPreparing.value ? 'Waiting' : ''}
      </p>
      {job !== null && <Body job={job} />}
    </section>
  );
}

/** The next conversion is being described: what the user looks at must not move away. */
function isWriting(): boolean {
  return document.activeElement?.matches('input, select') ?? false;
}

function statusText({ stage, held, error }: Job): string {
  switch (stage.value) {
    case 'waiting':
      return 'Waiting';
    case 'converting':
      return held.value ? 'Paused' : 'Converting';
    case 'finalising':
      return 'Finalising';
    case 'verifying':
      return 'Verifying';
    case 'saving':
      return 'Saving';
    case 'done':
      return 'Done';
    case 'failed':
      return `Failed: ${error.value?.message.replaceAll('\n', ' ')}`;
  }
}

function Body({ job }: { job: Job }) {
  const stage = job.stage.value;
  return (
    <>
      {stage !== 'failed' && <ProgressView job={job} />}
      {stage === 'failed' && <Failure job={job} />}
      {stage === 'done' && <ResultFacts job={job} />}
      <Buttons job={job} />
    </>
  );
}

/** Save is always in the same place, and Discard far from where any other button was: who clicks early loses nothing. */
function Buttons({ job }: { job: Job }) {
  const stage = job.stage.value;
  const isDone = stage === 'done';
  return (
    <p class="buttons">
      {job.task.chosenFile === null && (
        <button type="button" class={isDone ? 'primary' : ''} disabled={!isDone} onClick={() => void saveResult(job)}>
          Save
        </button>
      )}
      {stage === 'converting' && (
        <button type="button" onClick={() => togglePause(job)}>
          {job.held.value ? 'Resume' : 'Pause'}
        </button>
      )}
      {isActive(job) && <CancelButton job={job} />}
      {stage === 'failed' && mayPass(job.error.value) && (
        <button type="button" class="primary" onClick={() => retry(job)}>
          Try again
        </button>
      )}
      {isDone && (
        <button type="button" onClick={() => void verifyResult(job)}>
          Verify
        </button>
      )}
      {(isDone || stage === 'failed') && (
        <button type="button" class="plain last" onClick={() => void discard(job)}>
          {isDone && job.task.chosenFile === null ? 'Discard' : 'Dismiss'}
        </button>
      )}
    </p>
  );
}

function CancelButton({ job }: { job: Job }) {
  // Not disabled, once it is pressed: that would take the focus away.
  const pressed = useSignal(false);
  return (
    <button
      type="button"
      aria-disabled={pressed.value}
      onClick={() => {
        if (pressed.value) return;
        pressed.value = true;
        cancel(job);
      }}
    >
      Cancel
    </button>
  );
}

/** The pace of what does not move, or has just begun to. */
const STANDING: PaceReading = { rate: null, left: null };

const PROGRESS_NAMES: Partial<Record<Stage, string>> = { verifying: 'Verification', saving: 'Saving' };

function ProgressView({ job }: { job: Job }) {
  const stage = job.stage.value;
  const progress = job.progress.value;
  const share = stage === 'done' ? 1 : progress === null || progress.total === 0 ? 0 : progress.done / progress.total;
  return (
    <div class="progress">
      <Strip survey={job.task.survey.value} done={share} />
      <progress
        max={1}
        value={share}
        aria-label={PROGRESS_NAMES[stage] ?? 'Conversion'}
        aria-valuetext={percentText(share)}
      />
      {stage === 'finalising' ? <Finalising job={job} /> : isActive(job) && <Amounts job={job} share={share} />}
      {stage === 'saving' && progress !== null && (
        <p class="quiet">
          The browser checks each file that is complete, {FINALISING.least} to {FINALISING.most} s a GiB, and says
          nothing of it meanwhile.
        </p>
      )}
    </div>
  );
}

/** All of them from the start: the buttons below must not move away from under the pointer. */
function Amounts({ job, share }: { job: Job; share: number }) {
  const progress = job.progress.value;
  const { rate, left } = job.held.value ? STANDING : (progress ?? STANDING);
  const isWhole = progress !== null && progress.done === progress.total;
  return (
    <dl class="amounts">
      <Amount name="Done" value={progress && `${percentText(share)} of ${sizeText(progress.total)}`} />
      <Amount name="Speed" value={rate === null ? null : `${sizeText(rate)}/s`} />
      <Amount name="Left" value={left !== null && !isWhole ? durationText(left) : null} />
      {job.stage.value === 'converting' && (
        <>
          <Amount name="Read" value={progress && sizeText(progress.bytesRead)} />
          <Amount name="Written" value={progress && sizeText(progress.bytesWritten)} />
        </>
      )}
    </dl>
  );
}

/** null: not known yet. */
function Amount({ name, value }: { name: string; value: string | null }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value ?? '–'}</dd>
    </div>
  );
}

function Finalising({ job }: { job: Job }) {
  const gib = (job.progress.value?.total ?? 0) / 1024 ** 3;
  const [least, most] = [FINALISING.least * gib, FINALISING.most * gib].map((seconds) => durationText(seconds));
  return (
    <p class="quiet">
      All is written. The browser now checks the file and moves it into place, which it says nothing about: for a disk
      of this size between {least} and {most}.
    </p>
  );
}

function Failure({ job }: { job: Job }) {
  const error = job.error.value;
  if (error === null) return null;
  const place = placeOf(error);
  return (
    <div class="failure">
      {place !== null && error.code !== 'aborted' && <p class="quiet">{place}</p>}
      <p>{adviceFor(error, job.task)}</p>
    </div>
  );
}
