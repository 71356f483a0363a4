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

/** The page is loaded anew when the new version has taken it over; at a first visit no version has hold of it. */
async function reload(): Promise<void> {
  await takeOver();
  if (navigator.serviceWorker.controller === null) location.reload();
}

/** It can wait, and must not lie over what runs. */
export function UpdatePrompt() {
  if (!isNew.value || busy.value) return null;
  return (
    <aside class="update" aria-label="Update">
      <p>A new version is ready.</p>
      <button type="button" class="primary" onClick={() => void reload()}>
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
