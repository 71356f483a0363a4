/** The engine of the next conversion starts while the user chooses its options. */
import { effect } from '@preact/signals';
import { prepare } from '../../src/platform/web/index.js';
import { chosen } from '../intake/intake.js';
import { busy } from './jobs.js';

/** From now on, whenever the page shows an image and nothing is running. */
export function warmUp(): void {
  effect(() => {
    const isReady = chosen.value?.inspection?.trouble === null;
    if (isReady && !busy.value) prepare();
  });
}
