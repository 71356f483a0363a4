import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures.js';
import { begin, outcome } from './page.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Axe {
  run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
}

/** What axe-core finds wrong, light and dark, wide and narrow. */
async function violations(page: Page): Promise<string[]> {
  const found: string[] = [];
  // By the debugger: the page's policy lets no script in.
  await page.evaluate(AXE);
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [1280, 360]) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 800 });
      const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: Axe }).axe.run());
      found.push(...violations.map(({ id, nodes }) => `${colorScheme} ${width} ${id}: ${nodes[0]?.html}`));
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (overflow > 0) found.push(`${width}: ${overflow} pixels too wide`);
    }
  }
  return found;
}

test('axe-core has nothing to say of any state', async ({ page, images }) => {
  test.slow();
  expect(await violations(page), 'empty').toEqual([]);
  await page.getByLabel('Disk image').setInputFiles(images.packed);
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('qcow2');
  await page.getByRole('checkbox', { name: 'Compress' }).check();
  await page.locator('details.more summary').click();
  expect(await violations(page), 'loaded').toEqual([]);
  await page.getByRole('checkbox', { name: 'Compress' }).uncheck();
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  expect(await violations(page), 'done').toEqual([]);
  await page.getByRole('button', { name: 'Discard' }).click();
  await begin(page, { source: images.packed, format: 'vmdk', subformat: 'monolithicFlat', name: 'set.vmdk' });
  expect(await outcome(page)).toBe('Done');
  expect(await violations(page), 'a set').toEqual([]);
  await begin(page, { source: images.vast, format: 'raw', name: 'x.img' });
  await page.getByRole('button', { name: 'Pause' }).click();
  expect(await violations(page), 'paused').toEqual([]);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await outcome(page);
  expect(await violations(page), 'failed').toEqual([]);
});

test('can be used by the keyboard alone', async ({ page, images }) => {
  await page.getByLabel('Disk image').setInputFiles(images.packed);
  await page.getByRole('textbox', { name: 'File name' }).focus();
  await page.keyboard.press('Enter');
  expect(await outcome(page)).toBe('Done');
  await page.getByRole('button', { name: 'Save' }).focus();
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
  expect(download.suggestedFilename()).toBe('packed.img');
});
