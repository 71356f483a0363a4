/** How the image at hand is opened: its passphrase, if the user gave one. */
import { signal } from '@preact/signals';
import type { SourceOptions } from '../../src/platform/web/index.js';
import { type Candidate, SOURCE_SECRET } from '../intake/intake.js';

/** Passphrases by the names of the files that they open, with the option that takes them. */
export const passphrases = signal<ReadonlyMap<string, { passphrase: string; keyOption: string }>>(new Map());

/** Remembers a passphrase as long as the page lives. */
export function rememberPassphrase(fileName: string, passphrase: string, keyOption: string): void {
  passphrases.value = new Map(passphrases.value).set(fileName, { passphrase, keyOption });
}

/** What opening the candidate takes beside the file itself. */
export function sourceOptions({ file, inspection }: Candidate): SourceOptions {
  const key = passphrases.value.get(file.name);
  const format = inspection?.layers[0]?.format;
  if (key === undefined || format === undefined) return {};
  return {
    sourceFormat: format,
    sourceOptions: { [key.keyOption]: SOURCE_SECRET },
    secrets: { [SOURCE_SECRET]: key.passphrase },
  };
}
