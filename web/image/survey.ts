/** The survey of the image at hand, which becomes known while the page is already in use. */
import { computed, effect, type ReadonlySignal, signal } from '@preact/signals';
import { type Survey, survey } from '../../src/platform/web/index.js';
import { type Candidate, chosen, othersThan } from '../intake/intake.js';
import { sourceOptions } from './source.js';

/** Cells across the strip. */
const CELLS = 480;

/** Of one image; null: nothing is known, or nothing can be. */
export type SurveySignal = ReadonlySignal<Survey | null>;

/** Each image has one of its own, which a conversion keeps that begins before all is known. */
const latest = signal<SurveySignal>(signal(null));
export const surveyAtHand = (): SurveySignal => latest.value;
export const currentSurvey = computed(() => latest.value.value);

/** Surveys whatever image is chosen, until another one is. */
export function followSurvey(): void {
  let stop = new AbortController();
  effect(() => {
    const candidate = chosen.value;
    stop.abort();
    stop = new AbortController();
    const known = signal<Survey | null>(null);
    latest.value = known;
    const stopping = stop.signal;
    const onSurvey = (seen: Survey) => {
      if (!stopping.aborted) known.value = { ...seen };
    };
    if (candidate?.inspection && candidate.inspection.trouble === null) void run(candidate, onSurvey, stopping);
  });
}

async function run(candidate: Candidate, onSurvey: (seen: Survey) => void, signal: AbortSignal): Promise<void> {
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
