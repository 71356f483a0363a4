/** The survey of the image at hand, which becomes known while the page is already in use. */
import { effect, signal } from '@preact/signals';
import { type Survey, survey } from '../../src/platform/web/index.js';
import { type Candidate, chosen, othersThan } from '../intake/intake.js';
import { sourceOptions } from './source.js';

/** Cells across the strip. */
const CELLS = 480;

/** null: nothing is known, or nothing can be. */
export const currentSurvey = signal<Survey | null>(null);

/** Surveys whatever image is chosen, until another one is. */
export function followSurvey(): void {
  let stop = new AbortController();
  effect(() => {
    const candidate = chosen.value;
    stop.abort();
    stop = new AbortController();
    currentSurvey.value = null;
    if (candidate?.inspection && candidate.inspection.trouble === null) void run(candidate, stop.signal);
  });
}

async function run(candidate: Candidate, signal: AbortSignal): Promise<void> {
  const onSurvey = (seen: Survey) => {
    if (!signal.aborted) currentSurvey.value = { ...seen };
  };
  const options = {
    ...sourceOptions(candidate),
    references: othersThan(candidate.file),
    cells: CELLS,
    onSurvey,
    signal,
  };
  // A strip that stays empty is no reason to say anything: converting will tell what is wrong.
  await survey(candidate.file, options).catch(() => {});
}
