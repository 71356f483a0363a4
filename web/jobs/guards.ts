/** While something runs: the machine stays awake, and leaving the page needs a word. */
import { effect } from '@preact/signals';
import { busy, unsaved } from './jobs.js';

/** Keeps the screen on while a conversion runs, where the browser can. */
export function keepAwake(): void {
  let lock: WakeLockSentinel | null = null;
  const update = async () => {
    if (busy.value && document.visibilityState === 'visible' && lock === null) {
      // Refused with a low battery, say: that is no failure of the conversion.
      lock = (await navigator.wakeLock?.request('screen').catch(() => null)) ?? null;
      // The browser takes it back when the page is hidden.
      lock?.addEventListener('release', () => {
        lock = null;
      });
    } else if (!busy.value) {
      await lock?.release();
    }
  };
  effect(() => {
    if (busy.value || lock !== null) void update();
  });
  document.addEventListener('visibilitychange', () => void update());
}

/** Warns before results are lost. */
export function warnOnLeaving(): void {
  addEventListener('beforeunload', (event) => {
    if (unsaved.value) event.preventDefault();
  });
}
