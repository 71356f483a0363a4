/** The installed page: it works offline, and asks before it becomes a new version. */

import { registerSW } from 'virtual:pwa-register';
import { signal } from '@preact/signals';
import { busy } from '../jobs/jobs.js';

const isNew = signal(false);
let takeOver: () => Promise<void> = async () => {};

/** Registers the service worker. Without one the page works as well, but not offline. */
export function installServiceWorker(): void {
  if (!('serviceWorker' in navigator)) return;
  takeOver = registerSW({
    onNeedRefresh: () => {
      isNew.value = true;
    },
    onRegisterError: () => {},
  });
}

export function UpdatePrompt() {
  if (!isNew.value) return null;
  return (
    <aside class="update" aria-label="Update">
      <p>A new version is ready.{busy.value && ' It can wait until the conversions are done.'}</p>
      <button type="button" class="primary" disabled={busy.value} onClick={() => void takeOver()}>
        Reload
      </button>
      <button
        type="button"
        class="plain"
        onClick={() => {
          isNew.value = false;
        }}
      >
        Later
      </button>
    </aside>
  );
}
