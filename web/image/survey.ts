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

/** Shares of the whole disk, as far as it is known. */
export function sharesOf({ known, data, zero, compressed }: Survey): {
  data: number;
  zero: number;
  compressed: number;
} {
  const mean = (cells: Uint8Array) =>
    known === 0 ? 0 : cells.subarray(0, known).reduce((sum, cell) => sum + cell, 0) / (255 * known);
  return { data: mean(data), zero: mean(zero), compressed: mean(compressed) };
}
