import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { type FileServer, type Manner, serveFile } from '../support/file-server.js';
import { test as base, expect } from './fixtures.js';
import { diskloom, qemuImg, sameBytes } from './images.js';
import { opfsFiles, outcome, save } from './page.js';

interface Remote {
  /** Serves a file from another origin, which the watch does not mind. */
  serve(path: string, manner?: Partial<Manner>): Promise<FileServer>;
}

const test = base.extend<Remote>({
  serve: async ({ allowed }, use) => {
    const servers: FileServer[] = [];
    await use(async (path, manner) => {
      const server = await serveFile(path, manner);
      servers.push(server);
      allowed.origins.push(new URL(server.address).origin);
      return server;
    });
    for (const server of servers) server.close();
  },
});

async function open(page: Page, address: string): Promise<void> {
  await page.getByLabel('web address').fill(address);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
}

async function convertTo(page: Page, format: string, name: string): Promise<string> {
  await page.getByRole('combobox', { name: 'Output format' }).selectOption(format);
  await page.getByRole('textbox', { name: 'File name' }).fill(name);
  await page.getByRole('button', { name: 'Convert' }).click();
  return outcome(page);
}

const details = (page: Page) => page.getByRole('region', { name: 'Image details' });

for (const isolation of ['on', 'off'] as const) {
  test.describe(`isolation ${isolation}`, () => {
    test.use({ site: { folder: 'dist/web-app', isolation } });

    for (const [name, exposes] of [
      ['shows all', 'Content-Range, ETag'],
      ['shows what it has to', ''],
    ] as const) {
      test(`an image on a server that ${name}: the bytes that Node writes`, async ({ page, images, serve }) => {
        const { address, log } = await serve(images.packed, { exposes });
        await open(page, `${address}packed.qcow2`);
        await expect(details(page)).toContainText('QCOW2');
        await expect(details(page)).toContainText(new URL(address).host);
        expect(await convertTo(page, 'raw', `remote-${isolation}-${exposes.length}.img`)).toBe('Done');
        expect(sameBytes(await save(page, images.folder), images.raw)).toBe(true);
        // Never the whole file, and nothing that a server has to be asked leave for.
        expect(log.filter((line) => !/^(GET \d+-\d+ 206|GET 0- 206|HEAD all 200)$/.test(line))).toEqual([]);
        await page.getByRole('button', { name: 'Verify' }).click();
        await expect(page.getByText('Verified: it reads back the same, byte for byte.')).toBeVisible();
      });
    }
  });
}

test('a raw image on a server, compressed', async ({ page, images, serve }) => {
  const { address } = await serve(images.raw);
  await open(page, `${address}some/disk.img`);
  await expect(details(page)).toContainText('disk.img');
  await page.getByRole('checkbox', { name: 'Compress' }).check();
  expect(await convertTo(page, 'qcow2', 'remote-c.qcow2')).toBe('Done');
  const byNode = join(images.folder, 'remote-node.qcow2');
  diskloom('convert', '-c', '-O', 'qcow2', images.raw, byNode);
  expect(sameBytes(await save(page, images.folder), byNode)).toBe(true);
});

test('a backing file may come from this machine, the image from a server', async ({ page, images, serve }) => {
  const overlay = join(images.folder, 'remote-overlay.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', images.qcow2, '-F', 'qcow2', overlay);
  const { address } = await serve(overlay);
  await open(page, `${address}remote-overlay.qcow2`);
  await expect(details(page)).toContainText('missing');
  await page.getByLabel('Disk image').setInputFiles(images.qcow2);
  await expect(details(page)).not.toContainText('missing');
  expect(await convertTo(page, 'raw', 'remote-overlay.img')).toBe('Done');
  expect(sameBytes(await save(page, images.folder), images.raw)).toBe(true);
});

test('what servers refuse is told, with what to do', async ({ page, images, allowed, serve }) => {
  allowed.messages.push(/CORS policy|net::ERR_FAILED|status of 404|ERR_CONNECTION_REFUSED/);
  const news = page.locator('#address-news');
  const whole = await serve(images.raw, { ranges: false });
  await open(page, whole.address);
  await expect(news).toHaveText(/^The server sends whole files only.*Download the file with the browser/);
  expect(whole.log).toEqual(['GET 0-0 200']);
  await open(page, (await serve(images.raw, { cors: false })).address);
  await expect(news).toHaveText(/^The server cannot be reached, or it does not let .*\(CORS\)/);
  await open(page, `${whole.address}none`);
  await expect(news).toHaveText('The server has no such file (HTTP 404). ');
  whole.close();
  await open(page, whole.address);
  await expect(news).toHaveText(/^The server cannot be reached/);
  await open(page, 'disk.img');
  await expect(news).toHaveText(/^That is no web address/);
  expect(await details(page).count()).toBe(0);
});

test('a file that changes on its server meanwhile', async ({ page, images, serve }) => {
  const { address, manner, log } = await serve(images.raw);
  await open(page, `${address}changing.img`);
  await expect(details(page)).toContainText('Disk size');
  manner.delay = 200;
  const before = log.length;
  await page.getByRole('button', { name: 'Convert' }).click();
  await expect.poll(() => log.length).toBeGreaterThan(before + 3);
  manner.etag = '"2"';
  expect(await outcome(page)).toMatch(/^Failed: .*The file on the server was changed after it was opened$/);
  await expect.poll(() => opfsFiles(page)).toEqual([]);
});

test('a slow server is waited for, and not for longer than one wants', async ({ page, images, serve }) => {
  const { address, manner, log } = await serve(images.raw, { delay: 20_000 });
  await open(page, `${address}slow.img`);
  await expect(page.getByText('Asking the server')).toBeVisible();
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByText('Asking the server')).toBeHidden();
  manner.delay = 0;
  await open(page, `${address}slow.img`);
  await expect(details(page)).toContainText('Disk size');
  manner.delay = 20_000;
  const before = log.length;
  await page.getByRole('button', { name: 'Convert' }).click();
  await expect(page.getByRole('status')).toHaveText('Converting');
  await page.getByRole('button', { name: 'Cancel' }).click();
  expect(await outcome(page)).toBe('Failed: The operation was cancelled');
  expect(log).toHaveLength(before);
  await expect.poll(() => opfsFiles(page)).toEqual([]);
});

for (const isolation of ['on', 'off'] as const) {
  test.describe(`isolation ${isolation}`, () => {
    test.use({ site: { folder: 'dist/web-app', isolation } });

    test('only the worker that has no files can reach other hosts', async ({ page, images, allowed, serve }) => {
      allowed.messages.push(/Content.Security.Policy/);
      const { address, log } = await serve(images.qcow2);
      // Where the host sends no headers, the service worker does from the second visit on.
      if (isolation === 'off') {
        await page.evaluate(async () => void (await navigator.serviceWorker.ready));
        await page.reload();
      }
      const reach = (url: string) =>
        fetch(url).then(
          () => 'reached',
          () => 'kept',
        );
      expect(await page.evaluate(reach, address)).toBe('kept');
      await page.getByLabel('Disk image').setInputFiles(images.vast);
      await page.getByRole('checkbox', { name: 'Compress' }).check();
      await page.getByRole('button', { name: 'Convert' }).click();
      await expect.poll(() => page.getByRole('progressbar').getAttribute('value')).not.toBe('0');
      await page.getByRole('button', { name: 'Pause' }).click();
      const workers = page.workers();
      expect(workers.some((worker) => worker.url().includes('engine-worker'))).toBe(true);
      for (const worker of workers) expect(await worker.evaluate(reach, address)).toBe('kept');
      expect(log).toEqual([]);
      await page.getByRole('button', { name: 'Cancel' }).click();
      await outcome(page);
      await open(page, `${address}plain.qcow2`);
      await expect(details(page)).toContainText('plain.qcow2');
    });
  });
}
