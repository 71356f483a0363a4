/** The region that says what the chosen image is. */
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Inspection } from '../../src/platform/web/index.js';
import { chooseMissing } from '../intake/drop-zone.js';
import { folderOf } from '../intake/files.js';
import type { ImageFile } from '../intake/image-file.js';
import {
  type Candidate,
  candidates,
  choose,
  chosen,
  isLocked,
  lookAgain,
  looking,
  missingFile,
  standIns,
} from '../intake/intake.js';
import { unpacking } from '../intake/unpack.js';
import { snapshot } from '../output/output.js';
import { knownFormats } from '../shell/engine.js';
import { useKeptFocus } from '../shell/kept-focus.js';
import { Notice } from '../shell/notice.js';
import { exactSize, lastPart, sizeText } from '../shell/text.js';
import './details.css';
import { factsOf } from './facts.js';
import { Partitions } from './partitions.js';
import { rememberPassphrase } from './source.js';
import { Strip, StripLegend } from './strip.js';
import { currentSurvey } from './survey.js';
import { warningsOf } from './warnings.js';

export function ImageDetails() {
  const card = useRef<HTMLElement>(null);
  const keepFocus = useKeptFocus(card);
  const candidate = chosen.value;
  if (candidate === null) return null;
  return (
    <section
      ref={card}
      class="card details"
      aria-label="Image details"
      aria-busy={looking.value > 0}
      tabIndex={-1}
      {...keepFocus}
    >
      <Details candidate={candidate} />
    </section>
  );
}

function Details({ candidate }: { candidate: Candidate }) {
  const { file, inspection, error } = candidate;
  return (
    <>
      <header class="details-head">
        {candidates.value.length > 1 ? <ImageChoice /> : <h2>{file.name}</h2>}
        <p class="quiet" title={exactSize(file.size)}>
          {inspection === null ? sizeText(file.size) : `${sizeText(inspection.layers[0]!.virtualSize)} disk`}
        </p>
      </header>
      {inspection === null && error === null && <Looking file={file} />}
      {error !== null && missingFile.value === null && <Notice kind="bad">It cannot be opened: {error.message}</Notice>}
      <Missing />
      <StandIns />
      {inspection !== null && <Opened file={file} inspection={inspection} />}
    </>
  );
}

function Looking({ file }: { file: ImageFile }) {
  const work = unpacking.value;
  if (work === null || work.name !== file.name) return <p class="quiet">Looking at the file</p>;
  return (
    <div class="unpacking">
      <p>
        It is compressed ({work.compression}) and being unpacked into this browser’s storage:{' '}
        {Math.floor(100 * work.share)} %
      </p>
      <button type="button" onClick={work.stop}>
        Stop unpacking
      </button>
    </div>
  );
}

function Opened({ file, inspection }: { file: ImageFile; inspection: Inspection }) {
  const { layers, trouble, partitions } = inspection;
  return (
    <>
      {trouble === null && (
        <div class="map">
          <Strip survey={currentSurvey.value} />
          <StripLegend survey={currentSurvey.value} isRaw={layers[0]!.format === 'raw'} />
        </div>
      )}
      {trouble !== null && isLocked.value && <Unlock file={file} format={layers[0]!.format} trouble={trouble} />}
      {trouble !== null && !isLocked.value && missingFile.value === null && (
        <Notice kind="bad">{trouble.message}</Notice>
      )}
      {warningsOf(file, inspection, currentSurvey.value).map((text) => (
        <Notice key={text} kind="warn">
          {text}
        </Notice>
      ))}
      <dl class="facts">
        {factsOf(file, inspection, currentSurvey.value).map(({ name, value }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Chain inspection={inspection} />
      <Snapshots inspection={inspection} />
      {partitions !== null && <Partitions table={partitions} diskSize={layers[0]!.virtualSize} />}
    </>
  );
}

function ImageChoice() {
  return (
    <p class="field">
      <label for="image-choice">Image</label>
      <select
        id="image-choice"
        value={candidates.value.indexOf(chosen.value!)}
        onChange={(event) => choose(candidates.value[Number(event.currentTarget.value)]!)}
      >
        {candidates.value.map(({ file }, index) => (
          <option key={index} value={index}>
            {nameAmongAll(file)}
          </option>
        ))}
      </select>
    </p>
  );
}

/** With its folder, where the name alone does not tell it from another. */
function nameAmongAll(file: ImageFile): string {
  const isAlone = candidates.value.every((each) => each.file === file || each.file.name !== file.name);
  return isAlone ? file.name : `${folderOf(file)}/${file.name}`;
}

/** Asks for the file that is not there. */
function Missing() {
  const name = missingFile.value;
  if (name === null) return null;
  return (
    <Notice kind="warn">
      <p>
        This image builds on <strong>{name}</strong>, which has to be here too: a browser cannot fetch it by itself.
      </p>
      <button type="button" onClick={chooseMissing}>
        Choose {name}
      </button>
    </Notice>
  );
}

/** Files that were chosen for others: nobody but the user knows whether they are the right ones. */
function StandIns() {
  const known = [...standIns.value].filter(([name]) => name !== missingFile.value);
  return known.map(([name, own]) => (
    <Notice key={name} kind="warn">
      <p>
        <strong>{own}</strong> is taken for <strong>{name}</strong>. If it is another file, the result will be wrong.
      </p>
    </Notice>
  ));
}

/** The backing chain, from the image down. */
function Chain({ inspection: { layers } }: { inspection: Inspection }) {
  const missing = missingFile.value;
  if (layers.length < 2 && layers[0]!.backing === null) return null;
  return (
    <div class="block">
      <h3>Backing chain</h3>
      <ol class="chain">
        {layers.map(({ fileName, format }) => (
          <li key={fileName}>
            <span>{lastPart(fileName)}</span> <span class="quiet">{format}</span>
          </li>
        ))}
        {missing !== null && (
          <li class="absent">
            <span>{missing}</span> <span>missing</span>
          </li>
        )}
      </ol>
    </div>
  );
}

function Snapshots({ inspection: { layers } }: { inspection: Inspection }) {
  const { snapshots } = layers[0]!;
  if (snapshots.length === 0) return null;
  return (
    <p class="field block">
      <label for="snapshot">State of the disk</label>
      <select
        id="snapshot"
        value={snapshot.value ?? ''}
        onChange={(event) => {
          snapshot.value = event.currentTarget.value || null;
        }}
      >
        <option value="">As it is now</option>
        {snapshots.map(({ id, name, date }) => (
          <option key={id} value={id}>
            {name || id}, {new Date(date.seconds * 1000).toLocaleString()}
          </option>
        ))}
      </select>
    </p>
  );
}

/** Takes the passphrase of an encrypted image; it stays on this page. */
function Unlock({
  file,
  format,
  trouble,
}: {
  file: ImageFile;
  format: string;
  trouble: NonNullable<Inspection['trouble']>;
}) {
  const tried = useSignal(false);
  const trying = useSignal(false);
  const field = useRef<HTMLInputElement>(null);
  const unlock = async (event: SubmitEvent) => {
    event.preventDefault();
    const passphrase = String(new FormData(event.currentTarget as HTMLFormElement).get('passphrase'));
    const keyOption = knownFormats.value.find(({ name }) => name === format)?.keyOption;
    if (!keyOption) return;
    rememberPassphrase(file.name, passphrase, keyOption);
    tried.value = false;
    trying.value = true;
    await lookAgain(file, passphrase, keyOption);
    trying.value = false;
    tried.value = true;
    field.current?.select();
  };
  return (
    <Notice kind="warn">
      <form class="unlock" onSubmit={(event) => void unlock(event)}>
        <p class="field">
          <label for="passphrase">Passphrase of the image</label>
          <input
            ref={field}
            id="passphrase"
            name="passphrase"
            type="password"
            required
            autocomplete="off"
            aria-invalid={tried.value}
            aria-describedby="passphrase-news"
          />
        </p>
        <button type="submit">Unlock</button>
      </form>
      {trying.value && <p class="quiet">Trying it: that takes a while on purpose.</p>}
      {tried.value && (
        <p id="passphrase-news" role="alert">
          {trouble.code === 'denied' ? 'This passphrase does not open it.' : trouble.message}
        </p>
      )}
    </Notice>
  );
}
