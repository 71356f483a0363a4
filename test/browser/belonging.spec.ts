/** Which files belong to which image: the wrong ones must never be taken. */
import { copyFileSync, mkdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.js';
import { type Images, qemuImg, sameBytes } from './images.js';
import { button, choice, details, dropOnPage, outcome, save } from './page.js';

/** A folder of its own with `over.qcow2` on a `base.qcow2` of the given disk; returns it. */
function chainOf(images: Images, folder: string, disk: string): string {
  const path = join(images.folder, folder);
  mkdirSync(path);
  qemuImg('convert', '-O', 'qcow2', disk, join(path, 'base.qcow2'));
  qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', join(path, 'over.qcow2'));
  return path;
}

async function makeRaw(page: Page, folder: string): Promise<string> {
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('raw');
  await button(page, 'Convert').click();
  expect(await outcome(page)).toBe('Done');
  return save(page, folder);
}

test('an image does not build on a file of the one before it, though it is called the same', async ({
  page,
  images,
}) => {
  const other = join(images.folder, 'other.img');
  qemuImg('create', '-q', '-f', 'raw', other, '1M');
  const first = chainOf(images, 'first', images.raw);
  const second = chainOf(images, 'second', other);
  const input = page.getByLabel('Disk image');
  await input.setInputFiles([join(first, 'over.qcow2'), join(first, 'base.qcow2')]);
  await expect(details(page)).toContainText('Backing chain');
  await input.setInputFiles(join(second, 'over.qcow2'));
  await expect(details(page)).toContainText('builds on base.qcow2');
  await input.setInputFiles(join(second, 'base.qcow2'));
  await expect(details(page)).not.toContainText('builds on base.qcow2');
  expect(sameBytes(await makeRaw(page, images.folder), other)).toBe(true);
});

test('what is chosen for the missing file is that, whatever its name, and said to be', async ({ page, images }) => {
  const folder = chainOf(images, 'renamed', images.raw);
  copyFileSync(join(folder, 'base.qcow2'), join(folder, 'base (1).qcow2'));
  await page.getByLabel('Disk image').setInputFiles(join(folder, 'over.qcow2'));
  const [dialog] = await Promise.all([page.waitForEvent('filechooser'), button(page, 'Choose base.qcow2').click()]);
  await dialog.setFiles(join(folder, 'base (1).qcow2'));
  await expect(details(page)).toContainText('base (1).qcow2 is taken for base.qcow2');
  await expect(details(page).getByRole('heading', { name: 'over.qcow2' })).toBeVisible();
  await expect(details(page)).toBeFocused();
  expect(sameBytes(await makeRaw(page, images.folder), images.raw)).toBe(true);
  // Chosen as an image, it is one.
  await page.getByLabel('Disk image').setInputFiles(join(folder, 'base (1).qcow2'));
  await expect(details(page).getByRole('heading', { name: 'base (1).qcow2' })).toBeVisible();
  await expect(details(page)).not.toContainText('is taken for');
});

test('files of the same name in several folders are images of their own', async ({ page, context, images }) => {
  const other = join(images.folder, 'twin.img');
  qemuImg('create', '-q', '-f', 'raw', other, '1M');
  const folder = join(images.folder, 'machines');
  mkdirSync(folder);
  chainOf(images, 'machines/one', images.raw);
  chainOf(images, 'machines/two', other);
  await dropOnPage(page, context, folder);
  await choice(page).selectOption('/machines/two/over.qcow2');
  await expect(details(page)).toContainText('1 MiB disk');
  expect(sameBytes(await makeRaw(page, images.folder), other)).toBe(true);
  await button(page, 'Discard').click();
  await choice(page).selectOption('/machines/one/over.qcow2');
  await expect(details(page)).toContainText('24.0 MiB disk');
  expect(sameBytes(await makeRaw(page, images.folder), images.raw)).toBe(true);
});

test('of a split disk the part that is missing is asked for, in whatever order the others come', async ({
  page,
  images,
}) => {
  const folder = join(images.folder, 'split-in-three');
  mkdirSync(folder);
  const disk = join(folder, 'sp.vmdk');
  qemuImg('create', '-q', '-f', 'vmdk', '-o', 'subformat=twoGbMaxExtentSparse', disk, '5G');
  const part = (number: number) => join(folder, `sp-s00${number}.vmdk`);
  await page.getByLabel('Disk image').setInputFiles([part(1), part(3), disk]);
  await expect(button(page, 'Choose sp-s002.vmdk')).toBeVisible();
  await page.getByLabel('Disk image').setInputFiles(part(2));
  await expect(details(page)).toContainText('5 GiB disk');
  await expect(choice(page)).toHaveCount(0);
});

test('an image that is deleted before it is converted is asked for again', async ({ page, images }) => {
  const image = join(images.folder, 'gone.qcow2');
  copyFileSync(images.packed, image);
  await page.getByLabel('Disk image').setInputFiles(image);
  await expect(details(page)).toContainText('QCOW2');
  unlinkSync(image);
  await button(page, 'Convert').click();
  expect(await outcome(page)).toContain('Failed');
  await expect(page.getByText('Choose the file again; it may have been moved or deleted.')).toBeVisible();
});
