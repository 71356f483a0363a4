/** One option as a field of the form, by its type. */
import type { OptionRow } from '../../src/platform/web/index.js';
import { sizeText } from '../shell/text.js';
import { newPassphrase, options, setOption } from './output.js';
import { isKey, labelOf } from './rows.js';

export function OptionField({ row }: { row: OptionRow }) {
  const id = `option-${row.name}`;
  const helpId = `${id}-help`;
  if (row.type === 'bool' && row.default === false) return <Switch row={row} id={id} />;
  return (
    <div class="field option">
      <label for={id}>{isKey(row) ? 'Passphrase of the new image' : labelOf(row)}</label>
      <Control row={row} id={id} helpId={helpId} />
      <p id={helpId} class="help">
        {isKey(row) ? 'It stays on this page; the command reads it from a file.' : row.help.trim()}
      </p>
    </div>
  );
}

function Control({ row, id, helpId }: { row: OptionRow; id: string; helpId: string }) {
  const { name, type, values } = row;
  const value = String(options.value[name] ?? '');
  const words = type === 'bool' ? ['on', 'off'] : values;
  if (isKey(row)) {
    return (
      <input
        id={id}
        type="password"
        autocomplete="new-password"
        aria-describedby={helpId}
        value={newPassphrase.value}
        onInput={(event) => {
          newPassphrase.value = event.currentTarget.value;
          setOption(name, newPassphrase.value === '' ? undefined : TARGET_SECRET);
        }}
      />
    );
  }
  if (words !== undefined) {
    return (
      <select
        id={id}
        aria-describedby={helpId}
        value={value}
        onChange={(event) => setOption(name, event.currentTarget.value)}
      >
        <option value="">{row.default === undefined ? 'Default' : `Default (${row.default})`}</option>
        {words.map((word) => (
          <option key={word}>{word}</option>
        ))}
      </select>
    );
  }
  return (
    <input
      id={id}
      type="text"
      inputMode={type === 'number' ? 'numeric' : 'text'}
      autocomplete="off"
      spellcheck={false}
      aria-describedby={helpId}
      placeholder={defaultText(row)}
      value={value}
      onInput={(event) => setOption(name, event.currentTarget.value.trim())}
    />
  );
}

/** The id of the secret that the new image is encrypted with. */
export const TARGET_SECRET = 'target';

function Switch({ row, id }: { row: OptionRow; id: string }) {
  return (
    <p class="choice option">
      <input
        id={id}
        type="checkbox"
        checked={options.value[row.name] === 'on'}
        onChange={(event) => setOption(row.name, event.currentTarget.checked ? 'on' : undefined)}
      />
      <label for={id}>{row.help.trim()}</label>
    </p>
  );
}

function defaultText({ type, default: value }: OptionRow): string {
  if (value === undefined || value === 0 || value === 'undefined') return 'automatic';
  return type === 'size' && typeof value === 'number' ? sizeText(value) : String(value);
}
