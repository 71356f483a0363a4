import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../support/random.js';
import { expect, test } from './fixtures.js';
import { diskloom, qemuImg, sameBytes } from './images.js';
import { begin, convert, opfsFiles, outcome, save, withFolder } from './page.js';

test('pause holds it, resume goes on, and the result is verified', async ({ page, images }) => {
  await begin(page, { source: images.vast, format: 'raw', name: 'vast.img' });
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('status')).toHaveText('Paused');
  const progress = page.getByRole('progressbar');
  // What was under way when it was held still ends.
  await expect
    .poll(async () => {
      const before = await progress.getAttribute('value');
      await page.waitForTimeout(500);
      return (await progress.getAttribute('value')) === before;
    })
    .toBe(true);
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect(page.getByRole('status')).toHaveText('Converting');
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  expect(await outcome(page)).toBe('Failed: The operation was cancelled');
  expect(await opfsFiles(page)).toEqual([]);

  await convert(page, images.folder, { source: images.packed, format: 'raw', name: 'small.img' });
  await page.getByRole('button', { name: 'Verify' }).click();
  await expect(page.getByText('Verified: it reads back the same, byte for byte.')).toBeVisible({ timeout: 30_000 });
  const hash = await page.locator('.hash code').textContent();
  expect(hash).toBe(createHash('sha256').update(readFileSync(images.raw)).digest('hex'));
});

test('a queue: the next one starts when the one before is done', async ({ page, images }) => {
  await begin(page, { source: images.vast, format: 'raw', name: 'first.img' });
  await page.getByRole('button', { name: 'Pause' }).click();
  await begin(page, { source: images.packed, format: 'raw', name: 'second.img' });
  await expect(page.getByRole('button', { name: 'Remove second.img' })).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('heading', { name: 'second.img' })).toBeVisible();
  expect(await outcome(page)).toBe('Done');
  expect(sameBytes(await save(page, images.folder), images.raw)).toBe(true);
});

test('a worker that the browser ends is missed, and nothing half-done is left', async ({ page, images }) => {
  await begin(page, { source: images.vast, format: 'raw', name: 'x.img' });
  await expect.poll(() => page.getByRole('progressbar').getAttribute('value')).not.toBe('0');
  await page.getByRole('button', { name: 'Pause' }).click();
  for (const worker of page.workers())
    if (worker.url().includes('engine-worker')) await worker.evaluate(() => self.close()).catch(() => {});
  expect(await outcome(page)).toMatch(/^Failed: The engine worker has died/);
  await expect.poll(() => opfsFiles(page)).toEqual([]);
  await page.getByRole('button', { name: 'Dismiss' }).click();
  const result = await convert(page, images.folder, { source: images.packed, format: 'raw', name: 'after.img' });
  expect(sameBytes(result, images.raw)).toBe(true);
});

test('the next engine waits with its kernels; one that the browser ends is missed', async ({ page, images }) => {
  const workers = (kind: string) => page.workers().filter((worker) => worker.url().includes(`${kind}-worker`));
  await page.getByLabel('Disk image').setInputFiles(images.packed);
  await expect.poll(() => workers('kernel').length).toBeGreaterThan(0);
  await expect.poll(() => workers('engine').length).toBe(1);
  await workers('engine')[0]!
    .evaluate(() => self.close())
    .catch(() => {});
  await expect.poll(() => page.workers().length).toBe(0);
  const result = await convert(page, images.folder, { source: images.packed, format: 'raw', name: 'after-all.img' });
  expect(sameBytes(result, images.raw)).toBe(true);

  await expect.poll(() => workers('kernel').length).toBeGreaterThan(0);
  const [waiting] = workers('engine');
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  // It has served, and the next one waits.
  await expect.poll(() => workers('engine').length).toBe(1);
  expect(workers('engine')[0]).not.toBe(waiting);
});

test('a kernel worker that the browser ends: what it held is told as lost, and the next conversion has another', async ({
  page,
  images,
}) => {
  test.slow();
  const { folder } = images;
  const source = join(folder, 'noise.img');
  // Sixteen symbols, which compress, but not fast.
  const noise = Buffer.from(new Random(9).bytes(8 * 1024 * 1024).map((byte) => byte & 15));
  writeFileSync(source, Buffer.concat(Array.from({ length: 24 }, () => noise)));
  await begin(page, { source, format: 'qcow2', name: 'noise.qcow2', compress: true });
  await expect.poll(() => page.getByRole('progressbar').getAttribute('value')).not.toBe('0');
  const kernels = page.workers().filter((worker) => worker.url().includes('kernel-worker'));
  expect(kernels.length).toBeGreaterThan(0);
  // It is closed, but gets work until it has gone.
  const killed = kernels[0]!.evaluate(() => {
    self.close();
    for (const start = performance.now(); performance.now() - start < 1000; );
  });
  await killed.catch(() => {});
  expect(await outcome(page)).toMatch(/^Failed: .*A kernel worker has died: the browser ended it$/);
  await expect.poll(() => opfsFiles(page)).toEqual([]);
  await page.getByRole('button', { name: 'Try again' }).click();
  expect(await outcome(page)).toBe('Done');
  const byNode = join(folder, 'noise-node.qcow2');
  diskloom('convert', '-c', '-O', 'qcow2', source, byNode);
  expect(sameBytes(await save(page, folder), byNode)).toBe(true);
});

test('writes into a file that the user chose', async ({ page, context, address, images }) => {
  const folder = join(images.folder, 'chosen-on-page');
  await withFolder(page, context, address, folder);
  await page.getByLabel('Disk image').setInputFiles(images.packed);
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('qcow2');
  await page.getByRole('textbox', { name: 'File name' }).fill('chosen.qcow2');
  await page.getByRole('radio', { name: 'Write into a file I choose now' }).check();
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  await expect(page.getByText('It is in the file that you chose.')).toBeVisible();
  expect(sameBytes(join(folder, 'chosen.qcow2'), images.qcow2)).toBe(true);
  expect(qemuImg('check', join(folder, 'chosen.qcow2'))).toContain('No errors were found');
});
