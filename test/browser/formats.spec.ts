import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.js';
import { diskloom, qemuImg, sameBytes } from './images.js';
import { begin, chooseReproducible, outcome, save } from './page.js';

/** What each format is called at the end of a name here; LUKS has random keys and a test of its own. */
async function writableFormats(page: Page): Promise<string[]> {
  const options = page.getByRole('combobox', { name: 'Output format' }).locator('option');
  await expect(options).not.toHaveCount(0);
  return options.evaluateAll((all) => all.map((option) => (option as HTMLOptionElement).value));
}

test('every format that can be written: the bytes that Node writes', async ({ page, images }) => {
  test.slow();
  await page.getByLabel('Disk image').setInputFiles(images.packed);
  const formats = (await writableFormats(page)).filter((name) => name !== 'luks');
  expect(formats).toEqual(expect.arrayContaining(['qcow2', 'raw', 'vdi', 'vhdx', 'vpc', 'parallels', 'qcow', 'qed']));
  mkdirSync(join(images.folder, 'node'));
  for (const format of formats) {
    await page.getByRole('combobox', { name: 'Output format' }).selectOption(format);
    if (format !== 'raw') await chooseReproducible(page);
    await page.getByRole('textbox', { name: 'File name' }).fill(`web.${format}`);
    await page.getByRole('button', { name: 'Convert' }).click();
    expect(await outcome(page), format).toBe('Done');
    const result = await save(page, images.folder);
    // VMDKs know their own names.
    const byNode = join(images.folder, 'node', `web.${format}`);
    diskloom('convert', '--reproducible', '-O', format, images.packed, byNode);
    expect(sameBytes(result, byNode), format).toBe(true);
    expect(qemuImg('compare', '-F', format, images.raw, result), format).toContain('Images are identical');
  }
});

test('an encrypted image is made with a passphrase, verified, and opened again with it', async ({ page, images }) => {
  test.slow();
  await begin(page, { source: images.qcow2, format: 'luks', name: 'secret.luks', passphrase: 'astrochicken' });
  expect(await outcome(page)).toBe('Done');
  const encrypted = await save(page, images.folder);
  expect(readFileSync(encrypted).subarray(0, 4).toString('latin1')).toBe('LUKS');
  await page.getByRole('button', { name: 'Verify' }).click();
  await expect(page.getByText('Verified: it reads back the same')).toBeVisible({ timeout: 45_000 });

  await page.getByLabel('Disk image').setInputFiles(encrypted);
  await page.getByLabel('Passphrase of the image').fill('astrochicken');
  await page.getByRole('button', { name: 'Unlock' }).click();
  await expect(page.getByRole('img', { name: 'Use of the disk' }).first()).toBeVisible({ timeout: 30_000 });
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('raw');
  await page.getByRole('textbox', { name: 'File name' }).fill('opened.img');
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  expect(sameBytes(await save(page, images.folder), images.raw)).toBe(true);
});
