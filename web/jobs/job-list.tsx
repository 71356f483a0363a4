/** The other conversions: those that wait, and those that are done. */
import { useRef } from 'preact/hooks';
import { ImageError } from '../../src/platform/web/index.js';
import { formatWords } from '../image/facts.js';
import { useKeptFocus } from '../shell/kept-focus.js';
import { sizeText } from '../shell/text.js';
import { mayPass } from './advice.js';
import { busy, cancel, current, discard, type Job, jobs, retry } from './jobs.js';
import { saveResult } from './save.js';

export function JobList() {
  const list = useRef<HTMLElement>(null);
  const keepFocus = useKeptFocus(list);
  const others = jobs.value.filter((job) => job !== current.value);
  if (others.length === 0) return null;
  return (
    <section ref={list} class="job-list" aria-labelledby="job-list-title" tabIndex={-1} {...keepFocus}>
      <h2 id="job-list-title">Other conversions</h2>
      <ul>
        {others.map((job) => (
          <li key={job.id}>
            <span class="job-name">
              {job.task.name}{' '}
              <span class="quiet">
                {formatWords(job.task.format)}, of {job.task.file.name}
              </span>
            </span>
            <Row job={job} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** No button here has a word in its name that the card above uses: scripts go by these names. */
function Row({ job }: { job: Job }) {
  const stage = job.stage.value;
  const { name, isSet } = job.task;
  if (stage === 'waiting') {
    return (
      <>
        <span class="quiet">waits</span>
        <button type="button" class="plain" aria-label={`Remove ${name}`} onClick={() => cancel(job)}>
          Remove
        </button>
      </>
    );
  }
  return (
    <>
      <Outcome job={job} />
      {stage === 'done' && job.task.chosenFile === null && (
        <button
          type="button"
          class="plain"
          aria-label={`Download ${name}`}
          disabled={isSet && busy.value}
          onClick={() => void saveResult(job)}
        >
          Download
        </button>
      )}
      {stage === 'failed' && mayPass(job.error.value) && (
        <button type="button" class="plain" aria-label={`Repeat ${name}`} onClick={() => retry(job)}>
          Repeat
        </button>
      )}
      <button type="button" class="plain" aria-label={`Forget ${name}`} onClick={() => void discard(job)}>
        Forget
      </button>
    </>
  );
}

/** The size of a result, and whether it is safe; or what has gone wrong. */
function Outcome({ job: { error, saved, savedInto, result } }: { job: Job }) {
  const trouble = error.value ?? (saved.value ? null : savedInto.value);
  if (trouble instanceof ImageError) {
    return (
      <span class="bad">
        {trouble === error.value ? 'Failed' : 'Not saved'}: {trouble.message}
      </span>
    );
  }
  return (
    <span class="quiet">
      {sizeText(result.value?.report.fileSize ?? 0)}
      {saved.value && ', saved'}
    </span>
  );
}
