/** What came of a conversion. */
import { ImageError } from '../../src/platform/web/index.js';
import { canPickFolder } from '../shell/pickers.js';
import { durationText, exactSize, percentText, sizeText } from '../shell/text.js';
import type { Job } from './jobs.js';

/** A result that has grown by more says nothing by a percentage. */
const MOST_SHARE = 2;

export function ResultFacts({ job }: { job: Job }) {
  const { result, task } = job;
  if (result.value === null) return null;
  const { report, seconds } = result.value;
  const share = report.fileSize / task.sourceSize;
  return (
    <>
      <dl class="facts result">
        <div>
          <dt>Before</dt>
          <dd title={exactSize(task.sourceSize)}>{sizeText(task.sourceSize)}</dd>
        </div>
        <div>
          <dt>After</dt>
          <dd title={exactSize(report.fileSize)}>
            {sizeText(report.fileSize)}
            {share <= MOST_SHARE && <span class="quiet"> {percentText(share)}</span>}
          </dd>
        </div>
        <div>
          <dt>Time</dt>
          <dd>{durationText(seconds)}</dd>
        </div>
      </dl>
      {task.chosenFile !== null && <p>It is in the file that you chose.</p>}
      {task.isSet && <FileSet job={job} />}
      <Verdict job={job} />
    </>
  );
}

/** The files of a set, and what saving them is like, or came to. */
function FileSet({ job }: { job: Job }) {
  const into = job.savedInto.value;
  return (
    <>
      <ul class="files" aria-label="Files">
        {job.result.value!.report.files.map(({ name, size }) => (
          <li key={name}>
            <span>{name}</span>{' '}
            <span class="quiet" title={exactSize(size)}>
              {sizeText(size)}
            </span>
          </li>
        ))}
      </ul>
      {into === null && <p class="quiet">{HOW_TO_SAVE}</p>}
      {typeof into === 'string' && <p>They are in the folder “{into}”.</p>}
      {into instanceof ImageError && (
        <p class="verdict bad" role="alert">
          Not saved: {into.message}. {into.code === 'exists' ? 'Choose another folder.' : 'The result is still here.'}
        </p>
      )}
    </>
  );
}

const HOW_TO_SAVE = canPickFolder
  ? 'Save asks for a folder and puts all of these files into it.'
  : 'Save downloads them one after the other, which the browser may ask you to allow. Keep their names, by which they find each other.';

function Verdict({ job }: { job: Job }) {
  const verification = job.verification.value;
  if (verification === null)
    return (
      <p class="quiet">Verify reads the result back, compares every byte, and tells the SHA-256 of the content.</p>
    );
  if (verification instanceof ImageError) {
    return verification.code === 'aborted' ? (
      <p class="quiet">The verification was cancelled.</p>
    ) : (
      <p class="verdict bad" role="alert">
        It could not be verified: {verification.message}
      </p>
    );
  }
  if (verification.difference !== null) {
    return (
      <p class="verdict bad" role="alert">
        It is not the same: the first difference is after {exactSize(verification.difference)} of the disk. Do not use
        this result; has the source changed meanwhile?
      </p>
    );
  }
  return (
    <div class="verdict good">
      <p role="alert">Verified: it reads back the same, byte for byte.</p>
      <p class="hash">
        <span class="quiet">SHA-256 of the content</span> <code>{verification.sha256}</code>
      </p>
    </div>
  );
}
