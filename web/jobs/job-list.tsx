/** The other conversions: those that wait, and those that are done. */
import { formatWords } from '../image/facts.js';
import { sizeText } from '../shell/text.js';
import { cancel, current, discard, type Job, jobs } from './jobs.js';
import { saveResult } from './save.js';

export function JobList() {
  const others = jobs.value.filter((job) => job !== current.value);
  if (others.length === 0) return null;
  return (
    <section class="job-list" aria-labelledby="job-list-title">
      <h2 id="job-list-title">Other conversions</h2>
      <ul>
        {others.map((job) => (
          <li key={job.id}>
            <span class="job-name">
              {job.task.name} <span class="quiet">{formatWords(job.task.format)}</span>
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
  const { name } = job.task;
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
      <span class={stage === 'failed' ? 'bad' : 'quiet'} title={job.error.value?.message}>
        {stage === 'failed' ? 'failed' : sizeText(job.result.value?.report.fileSize ?? 0)}
      </span>
      {stage === 'done' && job.task.chosenFile === null && (
        <button type="button" class="plain" aria-label={`Download ${name}`} onClick={() => void saveResult(job)}>
          Download
        </button>
      )}
      <button type="button" class="plain" aria-label={`Forget ${name}`} onClick={() => void discard(job)}>
        Forget
      </button>
    </>
  );
}
