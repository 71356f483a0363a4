// Serves the built page on loopback, with the headers that a real host should send.
//   PORT       port, default 4173; 0: any free one
//   FOLDER     what is served, default dist/web-app
//   ISOLATION  'off' leaves out COOP, COEP and the policies, as hosts do that cannot set headers: SharedArrayBuffer is
//              then missing
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, extname, join, normalize } from 'node:path';

const folder = process.env.FOLDER ?? 'dist/web-app';
const port = Number(process.env.PORT ?? 4173);
const isolation = process.env.ISOLATION !== 'off';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
  '.wasm': 'application/wasm',
};

/** What the page says of itself too, and what only a header can say; the worker that may fetch has a policy of its own. */
const POLICIES = JSON.parse(readFileSync(new URL('../web/content-policy.json', import.meta.url), 'utf8'));
const PAGE_POLICY = [...POLICIES.page, "frame-ancestors 'none'"].join('; ');
const REMOTE_POLICY = POLICIES['remote-worker'].join('; ');

const HEADERS = {
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  ...(isolation && { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }),
};

async function answer(request, response) {
  const { pathname } = new URL(request.url, 'http://localhost');
  // `normalize` of an absolute path cannot climb above its root.
  const path = normalize(decodeURIComponent(pathname.endsWith('/') ? `${pathname}index.html` : pathname));
  const cache = path.startsWith('/assets/') ? 'max-age=31536000, immutable' : 'no-cache';
  try {
    const body = await readFile(join(folder, path));
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    const policy = basename(path).startsWith('remote-worker') ? REMOTE_POLICY : PAGE_POLICY;
    response
      .writeHead(200, { ...HEADERS, 'Content-Security-Policy': policy, 'Content-Type': type, 'Cache-Control': cache })
      .end(body);
  } catch {
    response.writeHead(404, HEADERS).end();
  }
}

if (!existsSync(folder)) {
  console.error(`${folder} is missing: run "npm run build"`);
  process.exit(1);
}
const server = createServer((request, response) => {
  answer(request, response).catch(() => response.writeHead(400, HEADERS).end());
});
server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
