import { appendFileSync, cpSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.js';
import { sameBytes } from './images.js';
import { begin, convert, outcome, save } from './page.js';

/** Resolves when the service worker has everything. */
async function installed(page: Page): Promise<void> {
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
}

for (const isolation of ['on', 'off'] as const) {
  test.describe(`isolation ${isolation}`, () => {
    test.use({ site: { folder: 'dist/web-app', isolation } });

    test('works offline after one visit, with shared memory on every host', async ({ page, context, images }) => {
      await installed(page);
      await context.setOffline(true);
      await page.reload();
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
      const task = { source: images.packed, format: 'raw', name: `offline-${isolation}.img` };
      expect(sameBytes(await convert(page, images.folder, task), images.raw)).toBe(true);
      await context.setOffline(false);
    });
  });
}

test('takes the files that the system opens it with', async ({ page, address, images }) => {
  await page.addInitScript(() => {
    Object.defineProperty(window, 'launchQueue', {
      value: {
        setConsumer: async (consumer: (params: { files: FileSystemFileHandle[] }) => void) => {
          const root = await navigator.storage.getDirectory();
          const handle = await root.getFileHandle('launched.img', { create: true });
          const stream = await handle.createWritable();
          await stream.write(new Uint8Array(1024 * 1024).fill(7));
          await stream.close();
          consumer({ files: [handle] });
        },
      },
    });
  });
  await page.goto(address);
  await expect(page.getByRole('region', { name: 'Image details' })).toContainText('launched.img');
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('raw');
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  const saved = readFileSync(await save(page, images.folder));
  expect(saved.length === 1024 * 1024 && saved.every((byte) => byte === 7)).toBe(true);
});

test('can be installed: manifest, icons, file handlers', async ({ page, address }) => {
  const manifest = await page.evaluate(async () => {
    const { href } = document.querySelector<HTMLLinkElement>('link[rel=manifest]')!;
    return (await fetch(href)).json();
  });
  expect(manifest).toMatchObject({ display: 'standalone', start_url: './' });
  expect(manifest.file_handlers[0].accept['application/x-virtual-disk']).toEqual(
    expect.arrayContaining(['.vmdk', '.qcow2', '.vhdx']),
  );
  for (const { src } of manifest.icons) expect((await page.request.get(address + src)).status()).toBe(200);
});

test('the policy is strict, on every host and with it', async ({ page, address }) => {
  const response = await page.request.get(address);
  const policy = response.headers()['content-security-policy']!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self' 'wasm-unsafe-eval';");
  expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|https?:|\*/);
  const own = await page.locator('meta[http-equiv=Content-Security-Policy]').getAttribute('content');
  expect(policy).toBe(`${own}; frame-ancestors 'none'`);
});

test.describe('a new version', () => {
  const folder = 'build/web-app-updated';
  test.beforeAll(() => cpSync('dist/web-app', folder, { recursive: true }));
  test.afterAll(() => rmSync(folder, { recursive: true }));
  test.use({ site: { folder, isolation: 'on' } });

  for (const visit of ['first', 'second'])
    test(`is offered at the ${visit} visit, not while something runs, and taken over when asked for`, async ({
      page,
      images,
    }) => {
      await installed(page);
      if (visit === 'second') await page.reload();
      await begin(page, { source: images.vast, format: 'raw', name: 'x.img' });
      await page.getByRole('button', { name: 'Pause' }).click();
      appendFileSync(join(folder, 'service-worker.js'), '\n// new\n');
      await page.evaluate(async () => {
        const registration = await navigator.serviceWorker.ready;
        await registration.update();
        while (registration.waiting === null) await new Promise((resolve) => setTimeout(resolve, 50));
      });
      const prompt = page.getByRole('complementary', { name: 'Update' });
      await expect(prompt).toBeHidden();
      await page.getByRole('button', { name: 'Cancel' }).click();
      await outcome(page);
      await expect(prompt).toBeVisible();
      await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name: 'Reload' }).click()]);
      await expect(page.getByRole('heading', { name: 'Convert disk images, right here' })).toBeVisible();
      await expect(prompt).toBeHidden();
    });
});

test('all of it is less than 200 KB as hosts send it, kernels included', () => {
  const folder = 'dist/web-app';
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    // Of the two builds of the kernels a page uses one; icons are for the system.
    .filter((path) => statSync(path).isFile() && !/icon|kernels-shared/.test(path));
  const sum = (paths: string[], pack: (bytes: Uint8Array) => Uint8Array) =>
    paths.reduce((total, path) => total + pack(readFileSync(path)).length, 0);
  expect(sum(files, brotliCompressSync)).toBeLessThan(200_000);
  // Hosts that know only gzip; readers of rare formats come later.
  const first = files.filter((path) => !/saxes|xz-decompress/.test(path));
  expect(sum(first, (bytes) => gzipSync(bytes, { level: 9 }))).toBeLessThan(200_000);
});
