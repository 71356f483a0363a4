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

/** Loads the page anew when the new version has taken over: before, it would be the old one again, and be asked again. */
async function reload(): Promise<void> {
  const registration = await navigator.serviceWorker.getRegistration();
  const next = registration?.waiting;
  await takeOver();
  if (next) await activated(next);
  location.reload();
}

async function activated(worker: ServiceWorker): Promise<void> {
  while (worker.state !== 'activated' && worker.state !== 'redundant')
    await new Promise((resolve) => worker.addEventListener('statechange', resolve, { once: true }));
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
