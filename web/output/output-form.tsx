/** The form: where the disk goes, as what, with which options, under which name. */
import { formatWords } from '../image/facts.js';
import { chosen, isLocked, missingFile } from '../intake/intake.js';
import { busy, enqueue, isPreparing } from '../jobs/jobs.js';
import { canPickFile, canPickFolder, FINALISING } from '../shell/pickers.js';
import { sizeText } from '../shell/text.js';
import { CommandLine } from './command-line.js';
import { OptionField } from './option-field.js';
import {
  bestPlace,
  chooseFormat,
  choosePlain,
  choosePreset,
  compress,
  fileName,
  format,
  isPlain,
  isSet,
  isTooShort,
  nameEnded,
  nameIt,
  options,
  ownPlace,
  type Place,
  padding,
  place,
  preset,
  presets,
  reproducible,
  target,
  targets,
} from './output.js';
import './output.css';
import { offeredRows } from './rows.js';

/** A pattern that was there cannot be taken away by setting it to nothing. */
const ANY_NAME = '.*';
/** Browsers change the names of downloads that have other characters; in a set each file must keep its own. */
const NAME_IN_SET = '[^\\/\\\\:*?"<>\\|]+';

export function OutputForm() {
  const candidate = chosen.value;
  if (candidate === null) return null;
  return (
    <form
      class="card output"
      aria-label="Target"
      onSubmit={(event) => {
        event.preventDefault();
        void enqueue();
      }}
    >
      <Presets />
      <div class="row">
        <FormatField />
        <p class="field grow">
          <label for="name">File name</label>
          <input
            id="name"
            type="text"
            required
            autocomplete="off"
            spellcheck={false}
            pattern={isSet.value ? NAME_IN_SET : ANY_NAME}
            title={isSet.value ? 'The files find each other by their names: without / \\ : * ? " < > |' : undefined}
            value={fileName.value}
            onInput={(event) => nameIt(event.currentTarget.value)}
            onBlur={nameEnded}
          />
        </p>
      </div>
      <Options />
      <PlaceField />
      <p class="buttons go">
        <button type="submit" class="primary">
          Convert
        </button>
        <span class="quiet">{whatComesFirst()}</span>
      </p>
      <CommandLine />
    </form>
  );
}

/** Before the conversion can begin. */
function whatComesFirst(): string | null {
  if (isPreparing.value) return 'It starts when the file is unpacked.';
  if (missingFile.value !== null) return `The image needs ${missingFile.value} first.`;
  if (isLocked.value) return 'The image needs its passphrase first.';
  return busy.value ? 'It starts when those before it are done.' : null;
}

function Presets() {
  return (
    <fieldset class="presets">
      <legend>Where is it going?</legend>
      <div class="chips">
        {presets.value.map((each) => (
          <label key={each.name} class="chip">
            <input type="radio" name="preset" checked={preset.value === each} onChange={() => choosePreset(each)} />
            <span>{each.name}</span>
          </label>
        ))}
        <label class="chip">
          <input type="radio" name="preset" checked={preset.value === null} onChange={choosePlain} />
          <span>Elsewhere</span>
        </label>
      </div>
      <p class="why" aria-live="polite">
        {preset.value?.why ?? 'Choose a destination for its settings, or a format of your own.'}
        {padding.value > 0 && ` This disk is filled up with ${sizeText(padding.value)} of zeros.`}
        {isTooShort.value && ' This disk is not, and at a snapshot it cannot be filled up: enlarge the image first.'}
      </p>
    </fieldset>
  );
}

function FormatField() {
  return (
    <p class="field">
      <label for="format">Output format</label>
      <select id="format" value={format.value} onChange={(event) => chooseFormat(event.currentTarget.value)}>
        {targets.value.map(({ name }) => (
          <option key={name} value={name}>
            {optionWords(name)}
          </option>
        ))}
      </select>
    </p>
  );
}

/** The name that the command line has for it, and the one that people have, where they differ. */
function optionWords(name: string): string {
  const words = formatWords(name);
  return words.toLowerCase().includes(name) ? words : `${words} (${name})`;
}

function Options() {
  if (target.value === null) return null;
  const { common, rest } = offeredRows(target.value, compress.value, options.value);
  return (
    <>
      {target.value.compresses && (
        <p class="choice">
          <input
            id="compress"
            type="checkbox"
            checked={compress.value}
            aria-describedby="compress-help"
            onChange={(event) => {
              compress.value = event.currentTarget.checked;
            }}
          />
          <label for="compress">Compress</label>{' '}
          <span id="compress-help" class="quiet">
            smaller, and slower to make
          </span>
        </p>
      )}
      {common.length > 0 && (
        <div class="options">
          {common.map((row) => (
            <OptionField key={`${format.value} ${row.name}`} row={row} />
          ))}
        </div>
      )}
      {format.value !== 'raw' && (
        <details class="more">
          <summary>More options</summary>
          <p class="choice">
            <input
              id="reproducible"
              type="checkbox"
              checked={reproducible.value}
              onChange={(event) => {
                reproducible.value = event.currentTarget.checked;
              }}
            />
            <label for="reproducible">Reproducible</label>{' '}
            <span class="quiet">the same conversion makes the same file, IDs and times included</span>
          </p>
          <div class="options">
            {rest.map((row) => (
              <OptionField key={`${format.value} ${row.name}`} row={row} />
            ))}
          </div>
        </details>
      )}
    </>
  );
}

function PlaceField() {
  if (!canPickFile) return null;
  const size = chosen.value?.inspection?.layers[0]?.virtualSize ?? 0;
  const gib = Math.max(1, Math.round(size / 1024 ** 3));
  const ending = isSet.value ? 'you save it' : 'you download it';
  const reasons: Record<Place, string> = {
    download: isPlain.value
      ? `Fast. Takes ${sizeText(size)} of the browser’s storage until ${ending}.`
      : `Fast. Kept in the browser’s storage until ${ending}.`,
    file: isSet.value
      ? 'Not here: this result is several files.'
      : `Slower, but needs the room only once. In the end the browser checks the file: ${FINALISING.least} to ${FINALISING.most} s a GiB${gib > 1 && isPlain.value ? `, ${FINALISING.least * gib} to ${FINALISING.most * gib} s here` : ''}.`,
  };
  const names: Record<Place, string> = {
    download: isSet.value && canPickFolder ? 'Save into a folder when done' : 'Download when done',
    file: 'Write into a file I choose now',
  };
  return (
    <fieldset class="place">
      <legend>Result</legend>
      {(['download', 'file'] as const).map((each) => (
        <p key={each} class="choice">
          <input
            id={`place-${each}`}
            type="radio"
            name="place"
            checked={place.value === each}
            disabled={isSet.value && each === 'file'}
            onChange={() => {
              ownPlace.value = each;
            }}
          />
          <label for={`place-${each}`}>
            {names[each]} {bestPlace.value === each && !isSet.value && <span class="tag">suggested</span>}{' '}
            <span class="help">{reasons[each]}</span>
          </label>
        </p>
      ))}
    </fieldset>
  );
}
