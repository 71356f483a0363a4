/** What a person runs into who clicks early, twice, or wrongly. */
import { execFileSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from '@playwright/test';
import { expect, test } from './fixtures.js';
import { qemuImg } from './images.js';
import { begin, button, outcome } from './page.js';

async function box(locator: Locator) {
  const { x, y, width, height } = (await locator.boundingBox())!;
  return { left: x, right: x + width, top: y, bottom: y + height };
}

test('who clicks where a button was loses nothing', async ({ page, images }) => {
  await begin(page, { source: images.vast, format: 'qcow2', name: 'x.qcow2' });
  await button(page, 'Pause').click();
  const before = await Promise.all(['Save', 'Resume', 'Cancel'].map((name) => box(button(page, name))));
  await button(page, 'Resume').click();
  expect(await outcome(page)).toBe('Done');
  const discard = await box(button(page, 'Discard'));
  for (const { left, right } of before) expect(discard.left >= right || discard.right <= left).toBe(true);
  expect((await box(button(page, 'Save'))).left).toBe(before[0]!.left);
});

test('the card and its buttons are in sight, on a wide screen and a narrow one', async ({ page, images }) => {
  for (const size of [
    { width: 1280, height: 720 },
    { width: 390, height: 844 },
  ]) {
    await page.setViewportSize(size);
    await begin(page, { source: images.packed, format: 'qcow2', name: 'x.qcow2' });
    expect(await outcome(page)).toBe('Done');
    await expect(button(page, 'Save')).toBeInViewport({ ratio: 1 });
    await button(page, 'Discard').click();
    await page.evaluate(() => scrollTo(0, 0));
    if (size.width > 1000) await expect(button(page, 'Convert')).toBeInViewport({ ratio: 1 });
  }
});

test('what must be changed is not offered to be tried again', async ({ page, images }) => {
  await page.getByLabel('Disk image').setInputFiles(images.packed);
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('qcow2');
  await page.getByRole('textbox', { name: 'Cluster size' }).fill('banana');
  await button(page, 'Convert').click();
  expect(await outcome(page)).toContain('Failed');
  await expect(button(page, 'Try again')).toHaveCount(0);
  await page.getByRole('textbox', { name: 'Cluster size' }).fill('128K');
  await button(page, 'Convert').click();
  expect(await outcome(page)).toBe('Done');
});

test('a button that goes away leaves the focus to its card', async ({ page, images }) => {
  await begin(page, { source: images.packed, format: 'qcow2', name: 'x.qcow2' });
  expect(await outcome(page)).toBe('Done');
  await button(page, 'Verify').focus();
  await page.keyboard.press('Enter');
  await expect(page.getByText('Verified')).toBeVisible();
  const card = page.getByRole('region', { name: 'Conversion' });
  await expect(card).toBeFocused();
  // Who clicks elsewhere is not called back.
  await page.getByRole('heading', { level: 1 }).click();
  await button(page, 'Verify').evaluate((verify: HTMLButtonElement) => verify.click());
  await expect(page.getByText('Verified')).toBeHidden();
  await expect(page.getByText('Verified')).toBeVisible();
  await expect(card).not.toBeFocused();
});

test('the focus stays near where a button was that has gone', async ({ page, images }) => {
  await begin(page, { source: images.packed, format: 'qcow2', name: 'x.qcow2' });
  expect(await outcome(page)).toBe('Done');
  await button(page, 'Discard').focus();
  await page.keyboard.press('Enter');
  await expect(button(page, 'Convert')).toBeFocused();
});

test('who listens hears what was chosen and what the queue does', async ({ page, images }) => {
  const hears = (text: string) =>
    expect(page.locator('[aria-live=polite].unseen').filter({ hasText: text })).toHaveCount(1, { timeout: 45_000 });
  await page.getByLabel('Disk image').setInputFiles(images.packed);
  await hears('packed.qcow2, QCOW2, a disk of 24.0 MiB');
  await begin(page, { source: images.vast, format: 'vdi', name: 'first.vdi' });
  await button(page, 'Pause').click();
  await begin(page, { source: images.packed, format: 'qcow2', name: 'second.qcow2' });
  await hears('second.qcow2 is in the queue');
  await button(page, 'Resume').click();
  await hears('first.vdi is ready');
  expect(await outcome(page)).toBe('Done');
  await button(page, 'Verify').click();
  await expect(page.getByRole('alert')).toHaveText('Verified: it reads back the same, byte for byte.');
});

test('a verification ends soon after it is cancelled', async ({ page, images }) => {
  test.slow();
  const nothing = join(images.folder, 'nothing.vdi');
  // A map of nothing but zeros keeps the verification from ever waiting.
  qemuImg('create', '-q', '-f', 'vdi', nothing, '512G');
  await begin(page, { source: nothing, format: 'vhdx', name: 'x.vhdx' });
  expect(await outcome(page)).toBe('Done');
  await button(page, 'Verify').click();
  await expect(page.getByRole('status')).toHaveText('Verifying');
  const cancel = button(page, 'Cancel');
  await cancel.focus();
  await page.keyboard.press('Enter');
  // Long before the engine would be ended by force.
  await expect(page.getByText('The verification was cancelled.')).toBeVisible({ timeout: 5000 });
});

test('a conversion that begins at once shows the map as it becomes known', async ({ page, images }) => {
  await begin(page, { source: images.packed, format: 'qcow2', name: 'x.qcow2' });
  const strip = page.getByRole('region', { name: 'Conversion' }).getByRole('img');
  await expect(strip).toHaveAccessibleName(/% data/);
  expect(await outcome(page)).toBe('Done');
});

test('the name is the user’s while it is typed, and keeps up with the format', async ({ page, images }) => {
  await page.getByLabel('Disk image').setInputFiles(images.packed);
  const name = page.getByRole('textbox', { name: 'File name' });
  await name.fill('x');
  await name.fill('');
  await expect(name).toHaveValue('');
  await name.blur();
  await expect(name).toHaveValue('packed.img');
  await name.fill('server.img');
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('vdi');
  await expect(name).toHaveValue('server.vdi');
  await page.getByRole('radio', { name: 'Google Cloud' }).check();
  await expect(name).toHaveValue('disk.raw');
});

test('an image that is cut off is told of before it is converted', async ({ page, images }) => {
  const image = join(images.folder, 'cut.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', image, '64M');
  execFileSync('qemu-io', ['-f', 'qcow2', '-c', 'write -P 7 0 16M', image]);
  const details = page.getByRole('region', { name: 'Image details' });
  await page.getByLabel('Disk image').setInputFiles(image);
  await expect(details).toContainText('unallocated 75 %');
  await expect(details).not.toContainText('cut off');
  truncateSync(image, 9 * 1024 * 1024);
  await page.getByLabel('Disk image').setInputFiles(image);
  await expect(details).toContainText(/It is cut off: at least 7\.\d MiB are missing/);
});

test('a passphrase that is wrong is told in a word', async ({ page, images }) => {
  const image = join(images.folder, 'locked.qcow2');
  const secret = ['--object', 'secret,id=s,data=right'];
  const options = 'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10';
  qemuImg('create', '-q', ...secret, '-f', 'qcow2', '-o', options, image, '1M');
  await page.getByLabel('Disk image').setInputFiles(image);
  const first = page.getByText('The image needs its passphrase first.');
  await expect(first).toBeVisible();
  await page.getByLabel('Passphrase of the image').fill('wrong');
  await button(page, 'Unlock').click();
  await expect(page.getByRole('alert')).toHaveText('This passphrase does not open it.');
  await page.keyboard.type('right');
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('Passphrase of the image')).toHaveCount(0);
  await expect(first).toHaveCount(0);
});
