/** The tests' world: images, servers with and without isolation, a browser that keeps nothing, and a watch on it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, test as base, chromium, expect } from '@playwright/test';
import { type Images, makeImages } from './images.js';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'].concat(
  ['background-networking', 'component-update', 'sync'].map((feature) => `--disable-${feature}`),
);

/** What a server is to do; see scripts/serve.mjs. */
interface Site {
  folder: string;
  isolation: 'on' | 'off';
  /** What the page opens. */
  path?: string;
}

interface TestWorld {
  site: Site;
  /** What the watch does not mind: requests to these origins, and messages on the console. */
  allowed: { origins: string[]; messages: RegExp[] };
  /** Of the site; ends with a slash. */
  address: string;
  /** Persistent: a private window, the default, has a slower OPFS that truncates differently. */
  context: BrowserContext;
}

interface WorkerWorld {
  images: Images;
}

export const test = base.extend<TestWorld, WorkerWorld>({
  site: [{ folder: 'dist/web-app', isolation: 'on' }, { option: true }],

  images: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the dependencies from the pattern
    async ({}, use) => {
      await withFolder(async (folder) => use(makeImages(folder)));
    },
    { scope: 'worker' },
  ],

  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the dependencies from the pattern
  allowed: async ({}, use) => use({ origins: [], messages: [] }),

  address: async ({ site }, use) => {
    const server = spawn(process.execPath, ['scripts/serve.mjs'], {
      env: { ...process.env, PORT: '0', FOLDER: site.folder, ISOLATION: site.isolation },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await use(await firstLine(server));
    server.kill();
  },

  context: async ({ address, allowed }, use) => {
    await withFolder(async (profile) => {
      allowWriting(profile);
      const context = await chromium.launchPersistentContext(profile, {
        executablePath: process.env.DISKLOOM_CHROMIUM ?? '/usr/bin/chromium',
        args: FLAGS,
      });
      allowed.origins.push(new URL(address).origin);
      const complaints = watch(context, allowed);
      await use(context);
      await context.close();
      expect(complaints).toEqual([]);
    });
  },

  page: async ({ context, address, site }, use) => {
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(address + (site.path ?? ''));
    await use(page);
  },
});

export { expect };

async function withFolder(action: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'diskloom-browser-'));
  try {
    await action(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A page may write to files that were dropped on it without asking: nobody is there to answer. */
function allowWriting(profile: string): void {
  mkdirSync(join(profile, 'Default'));
  const preferences = { profile: { default_content_setting_values: { file_system_write_guard: 1 } } };
  writeFileSync(join(profile, 'Default', 'Preferences'), JSON.stringify(preferences));
}

async function firstLine(server: ChildProcess): Promise<string> {
  const [output] = (await once(server.stdout!, 'data')) as [Buffer];
  return output.toString().trim();
}

/** Collects what must not happen: errors on the console, uncaught ones, requests that leave the origin. */
function watch(context: BrowserContext, { origins, messages }: TestWorld['allowed']): string[] {
  const complaints: string[] = [];
  context.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !messages.some((pattern) => pattern.test(text)))
      complaints.push(`console: ${text}`);
  });
  context.on('weberror', (error) => complaints.push(`uncaught: ${error.error().message}`));
  context.on('request', (request) => {
    const url = request.url().replace(/^blob:/, '');
    if (url !== 'about:blank' && !origins.includes(new URL(url).origin)) complaints.push(`request: ${url}`);
  });
  return complaints;
}
