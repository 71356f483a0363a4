/** The command, to copy. */
import { useSignal } from '@preact/signals';
import { sourceOptions } from '../image/source.js';
import { chosen } from '../intake/intake.js';
import { givenFile } from '../intake/unpack.js';
import { commandLine } from './command.js';
import { compresses, fileName, format, options, padding, reproducible, snapshot } from './output.js';

/** Milliseconds that the button says it has worked. */
const CONFIRMED_MS = 2000;

export function CommandLine() {
  const copied = useSignal(false);
  const candidate = chosen.value;
  if (candidate === null) return null;
  const { sourceFormat, sourceOptions: opening } = sourceOptions(candidate);
  const command = commandLine({
    source: 'url' in candidate.file ? candidate.file.url : givenFile(candidate.file).name,
    target: fileName.value,
    format: format.value,
    options: options.value,
    compress: compresses.value,
    padding: padding.value,
    reproducible: reproducible.value,
    snapshot: snapshot.value,
    opening: sourceFormat === undefined || opening === undefined ? null : { format: sourceFormat, options: opening },
  });
  const copy = async () => {
    await navigator.clipboard.writeText(command);
    copied.value = true;
    setTimeout(() => {
      copied.value = false;
    }, CONFIRMED_MS);
  };
  return (
    <div class="command">
      <p class="quiet">The same on the command line</p>
      <div class="command-box">
        <code>{command}</code>
        <button type="button" class="plain" onClick={() => void copy()}>
          {copied.value ? 'Copied' : 'Copy'}
        </button>
      </div>
    </div>
  );
}
