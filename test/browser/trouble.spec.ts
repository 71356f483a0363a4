import { copyFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from './fixtures.js';
import { sameBytes } from './images.js';
import { begin, convert, opfsFiles, outcome, save } from './page.js';

const MIB = 1024 * 1024;

test('cancel removes the partial output, and the page goes on', async ({ page, images }) => {
  const { folder, raw, qcow2, vast } = images;
  await begin(page, { source: vast, format: 'raw', name: 'x.img' });
  await expect.poll(() => page.getByRole('progressbar').getAttribute('value')).not.toBe('0');
  expect(await opfsFiles(page)).toHaveLength(1);
  await page.getByRole('button', { name: 'Cancel' }).click();
  expect(await outcome(page)).toBe('Failed: The operation was cancelled');
  expect(await opfsFiles(page)).toEqual([]);
  await expect(page.getByRole('button', { name: 'Save' })).toBeDisabled();
  const result = await convert(page, folder, { source: qcow2, format: 'raw', name: 'after-cancel.img' });
  expect(sameBytes(result, raw)).toBe(true);
});

test('a full quota is told as what it is', async ({ page, context, address, images }) => {
  const session = await context.newCDPSession(page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(address).origin, quotaSize: 4 * MIB });
  await begin(page, { source: images.qcow2, format: 'raw', name: 'x.img' });
  expect(await outcome(page)).toMatch(/^Failed: .*No space left on device, or the storage quota/);
  await expect(page.getByText(/^x\.img, after [\d,]+ bytes$/)).toBeVisible();
  expect(await opfsFiles(page)).toEqual([]);
});

test('a source that was removed', async ({ page, images }) => {
  const source = join(images.folder, 'removed.img');
  copyFileSync(images.raw, source);
  await page.getByLabel('Disk image').setInputFiles(source);
  rmSync(source);
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toMatch(/^Failed: .*No such file or directory$/);
  expect(await opfsFiles(page)).toEqual([]);
});

test('a source that shrank', async ({ page, images }) => {
  const source = join(images.folder, 'shrunk.img');
  copyFileSync(images.raw, source);
  await page.getByLabel('Disk image').setInputFiles(source);
  truncateSync(source, 20 * MIB);
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toMatch(/^Failed: .*changed or removed/);
  expect(await opfsFiles(page)).toEqual([]);
});

test('a damaged image', async ({ page, images }) => {
  const source = join(images.folder, 'damaged.qcow2');
  copyFileSync(images.qcow2, source);
  truncateSync(source, 100_000);
  await begin(page, { source, format: 'raw', name: 'x.img' });
  expect(await outcome(page)).toMatch(/^Failed: /);
  expect(await opfsFiles(page)).toEqual([]);
});

test('what a closed page left is removed by the next', async ({ page, context, address, images }) => {
  await begin(page, { source: images.qcow2, format: 'raw', name: 'x.img' });
  expect(await outcome(page)).toBe('Done');
  const second = await context.newPage();
  await second.goto(address);
  await expect.poll(() => opfsFiles(second)).toHaveLength(1);
  expect(sameBytes(await save(page, images.folder), images.raw)).toBe(true);
  await page.close();
  const third = await context.newPage();
  await third.goto(address);
  await expect.poll(() => opfsFiles(third)).toEqual([]);
});

test('an engine that could not be loaded is told of, and loaded when asked for', async ({
  context,
  address,
  allowed,
  images,
}) => {
  const page = context.pages()[0]!;
  allowed.messages.push(/Failed to load resource/);
  const script = /engine-worker/;
  await context.route(script, (route) => route.abort());
  await page.goto(address);
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('The engine worker has died: it could not be loaded.');
  await context.unroute(script);
  await alert.getByRole('button', { name: 'Try again' }).click();
  await expect(alert).toBeHidden();
  const result = await convert(page, images.folder, { source: images.packed, format: 'raw', name: 'later.img' });
  expect(sameBytes(result, images.raw)).toBe(true);
});
