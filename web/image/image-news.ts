/** What has come of the files that were given, in a sentence. */
import { chosen, isLocked, looking, missingFile } from '../intake/intake.js';
import { sizeText } from '../shell/text.js';
import { formatWords } from './facts.js';

/** Empty while there is nothing to be told. */
export function imageNews(): string {
  const candidate = chosen.value;
  if (candidate === null || looking.value > 0) return '';
  const { file, inspection } = candidate;
  if (missingFile.value !== null) return `${file.name} lacks another file, ${missingFile.value}`;
  if (isLocked.value) return `${file.name} is encrypted and asks for its passphrase`;
  if (inspection === null || inspection.trouble !== null) return `${file.name} has a fault and can’t be opened`;
  const { format, virtualSize } = inspection.layers[0]!;
  return `${file.name}, ${formatWords(format)}, a disk of ${sizeText(virtualSize)}`;
}
