/**
 * The service worker: the whole page is kept, so that it works without a network.
 *
 * Every answer carries the headers that a host should send, for hosts that cannot: those of cross-origin isolation, so
 * that there is shared memory from the second visit on, and the policy of the page or worker. A worker is ruled by the
 * header of its own script alone, not by what the page's document says. A new version waits until the page says that it
 * may take over.
 */
import { addPlugins, cleanupOutdatedCaches, precacheAndRoute } from 'workbox-precaching';
import policies from './content-policy.json';

declare const self: ServiceWorkerGlobalScope & { __WB_MANIFEST: { url: string; revision: string | null }[] };

const HEADERS: Readonly<Record<string, string>> = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

async function withHeaders(response: Response, url: string): Promise<Response> {
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const policy = /\/remote-worker[^/]*$/.test(url) ? policies['remote-worker'] : policies.page;
  // A host's own policy holds as well.
  headers.append('Content-Security-Policy', policy.join('; '));
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

addPlugins([
  {
    cachedResponseWillBeUsed: async ({ cachedResponse, request }) =>
      cachedResponse && withHeaders(cachedResponse, request.url),
  },
]);
precacheAndRoute(self.__WB_MANIFEST);
cleanupOutdatedCaches();

self.addEventListener('message', ({ data }) => {
  if (data?.type === 'SKIP_WAITING') void self.skipWaiting();
});
