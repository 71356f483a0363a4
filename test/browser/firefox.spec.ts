/** The page in Debian's Firefox, driven by WebDriver BiDi. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, firefox, type Page } from '@playwright/test';
import { serveFile } from '../support/file-server.js';
import { expect, test } from './fixtures.js';
import { diskloom, type Images, qemuImg, sameBytes } from './images.js';
import { begin, outcome } from './page.js';

const FIREFOX = process.env.DISKLOOM_FIREFOX ?? '/usr/bin/firefox-esr';

test.skip(!existsSync(FIREFOX) && process.env.DISKLOOM_REQUIRE_JUDGES === undefined, `${FIREFOX} is missing`);

let browser: Browser;
let downloads: string;

async function openPage(address: string, { folder }: Images): Promise<{ page: Page; complaints: string[] }> {
  downloads = join(folder, 'firefox');
  mkdirSync(downloads, { recursive: true });
  browser = await firefox.launch({ channel: 'moz-firefox', executablePath: FIREFOX, downloadsPath: downloads });
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', ({ message }) => complaints.push(message));
  await page.goto(address);
  return { page, complaints };
}

test.afterEach(() => browser?.close());

/** Saves the result; Firefox tells nobody of downloads, but calls them by their names once they are whole. */
async function save(page: Page, name: string): Promise<string> {
  await page.getByRole('button', { name: 'Save' }).click();
  await expect.poll(() => readdirSync(downloads).filter((file) => file.includes(name.split('.')[0]!))).toEqual([name]);
  return join(downloads, name);
}

test('converts to the bytes that Node writes, from files and from a web server', async ({ address, images }) => {
  test.slow();
  const { folder, raw, packed } = images;
  const { page, complaints } = await openPage(address, images);
  for (const compress of [false, true]) {
    const name = compress ? 'small.qcow2' : 'plain.qcow2';
    await begin(page, { source: raw, format: 'qcow2', name, compress });
    expect(await outcome(page)).toBe('Done');
    const byNode = join(folder, `firefox-${name}`);
    diskloom('convert', ...(compress ? ['-c'] : []), '-O', 'qcow2', raw, byNode);
    expect(sameBytes(await save(page, name), byNode)).toBe(true);
  }
  const server = await serveFile(packed);
  await page.getByLabel('web address').fill(`${server.address}packed.qcow2`);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Image details' })).toContainText('zlib');
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('raw');
  await page.getByRole('textbox', { name: 'File name' }).fill('remote.img');
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  expect(sameBytes(await save(page, 'remote.img'), raw)).toBe(true);
  expect(server.log.filter((line) => !/^GET \d+-\d+ 206$/.test(line))).toEqual([]);
  server.close();
  expect(complaints).toEqual([]);
});

test('downloads the files of a split disk one after the other', async ({ address, images }) => {
  test.slow();
  const { folder, raw, packed } = images;
  const { page, complaints } = await openPage(address, images);
  const task = { source: packed, format: 'vmdk', subformat: 'twoGbMaxExtentSparse', name: 'set.vmdk' };
  await begin(page, { ...task, reproducible: true });
  expect(await outcome(page)).toBe('Done');
  await page.getByRole('button', { name: 'Save' }).click();
  const names = ['set-s001.vmdk', 'set.vmdk'];
  await expect
    .poll(() =>
      readdirSync(downloads)
        .filter((name) => /^set.*vmdk$/.test(name))
        .sort(),
    )
    .toEqual(names);
  const byNode = join(folder, 'firefox-node');
  mkdirSync(byNode);
  const options = ['--reproducible', '-O', 'vmdk', '-o', `subformat=${task.subformat}`];
  diskloom('convert', ...options, packed, join(byNode, 'set.vmdk'));
  for (const name of names) expect(sameBytes(join(downloads, name), join(byNode, name)), name).toBe(true);
  expect(qemuImg('compare', raw, join(downloads, 'set.vmdk'))).toContain('Images are identical');
  await page.getByRole('button', { name: 'Verify' }).click();
  await expect(page.getByText('Verified: it reads back the same')).toBeVisible({ timeout: 45_000 });
  expect(complaints).toEqual([]);
});
