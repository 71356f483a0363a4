/** Results of several files: flat and split VMDKs. */
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Download, Page } from '@playwright/test';
import { sizeText } from '../../web/shell/text.js';
import { expect, test } from './fixtures.js';
import { diskloom, qemuImg, sameBytes } from './images.js';
import { begin, dropOnPage, opfsFiles, outcome, type Task, withFolder } from './page.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

type SetTask = Pick<Task, 'source' | 'name'> & { subformat: string };

/** Fills in the form and starts the conversion. */
function beginSet(page: Page, task: SetTask): Promise<void> {
  return begin(page, { ...task, format: 'vmdk', reproducible: true });
}

async function makeSet(page: Page, task: SetTask): Promise<void> {
  await beginSet(page, task);
  expect(await outcome(page)).toBe('Done');
}

/** The same by the command line; returns the folder of it. */
function setByNode(folder: string, { source, subformat, name }: SetTask): string {
  mkdirSync(folder);
  const options = ['--reproducible', '-O', 'vmdk', '-o', `subformat=${subformat}`];
  diskloom('convert', ...options, [source].flat()[0]!, join(folder, name));
  return folder;
}

/** The folders hold the same files with the same bytes. */
function expectSameFiles(folder: string, other: string): void {
  const names = readdirSync(other).sort();
  expect(readdirSync(folder).sort()).toEqual(names);
  for (const name of names) expect(sameBytes(join(folder, name), join(other, name)), name).toBe(true);
}

/** A browser that cannot hand out folders: what every browser but Chromium is. */
async function withoutFolders(page: Page, address: string): Promise<void> {
  await page.addInitScript(() => {
    delete window.showDirectoryPicker;
  });
  await page.goto(address);
}

/** Saves a set of so many files as downloads, into `folder`; returns their names in the order in which they came. */
async function downloadSet(page: Page, folder: string, count: number): Promise<string[]> {
  mkdirSync(folder);
  const downloads: Download[] = [];
  const collect = (download: Download) => void downloads.push(download);
  page.on('download', collect);
  await page.getByRole('button', { name: 'Save' }).click();
  await expect.poll(() => downloads.length, { timeout: 30_000 }).toBe(count);
  expect(await outcome(page)).toBe('Done');
  for (const download of downloads) await download.saveAs(join(folder, download.suggestedFilename()));
  page.off('download', collect);
  return downloads.map((download) => download.suggestedFilename());
}

function listed(page: Page): Promise<string[]> {
  return page.getByRole('list', { name: 'Files' }).getByRole('listitem').allTextContents();
}

/** 2 GiB and 3 MiB, with content on both sides of where the parts of a split disk meet. */
function makeLong(folder: string): string {
  const path = join(folder, 'long.img');
  const file = openSync(path, 'w');
  ftruncateSync(file, 2 * GIB + 3 * MIB);
  writeSync(file, Buffer.alloc(MIB, 'begin'), 0, MIB, 0);
  writeSync(file, Buffer.alloc(2 * MIB, 'border'), 0, 2 * MIB, 2 * GIB - MIB);
  closeSync(file);
  return path;
}

for (const [subformat, files] of [
  ['monolithicFlat', ['flat.vmdk', 'flat-flat.vmdk']],
  ['twoGbMaxExtentFlat', ['flat.vmdk', 'flat-f001.vmdk']],
  ['twoGbMaxExtentSparse', ['flat.vmdk', 'flat-s001.vmdk']],
] as const) {
  test(`${subformat}: downloads of the files that Node writes`, async ({ page, address, images }) => {
    await withoutFolders(page, address);
    const task = { source: images.packed, subformat, name: 'flat.vmdk' };
    await makeSet(page, task);
    expect((await listed(page)).map((line) => line.split(' ')[0])).toEqual(files);
    const folder = join(images.folder, subformat);
    // The one that names the others comes last.
    expect(await downloadSet(page, folder, 2)).toEqual(files.toReversed());
    expectSameFiles(folder, setByNode(`${folder}-node`, task));
    expect(qemuImg('compare', images.raw, join(folder, 'flat.vmdk'))).toContain('Images are identical');
    await page.getByRole('button', { name: 'Discard' }).click();
    await expect.poll(() => opfsFiles(page)).toEqual([]);
  });
}

test('a disk that is split into parts', async ({ page, address, images }) => {
  test.slow();
  await withoutFolders(page, address);
  const source = makeLong(images.folder);
  const task = { source, subformat: 'twoGbMaxExtentSparse', name: 'long.vmdk' };
  await makeSet(page, task);
  const folder = join(images.folder, 'split');
  expect(await downloadSet(page, folder, 3)).toEqual(['long-s001.vmdk', 'long-s002.vmdk', 'long.vmdk']);
  expectSameFiles(folder, setByNode(`${folder}-node`, task));
  expect(qemuImg('compare', source, join(folder, 'long.vmdk'))).toContain('Images are identical');
  await page.getByRole('button', { name: 'Verify' }).click();
  await expect(page.getByText('Verified: it reads back the same')).toBeVisible({ timeout: 60_000 });

  await makeSet(page, { ...task, subformat: 'twoGbMaxExtentFlat' });
  expect((await listed(page)).slice(1)).toEqual(['long-f001.vmdk 2 GiB', 'long-f002.vmdk 3 MiB']);
});

test('more files than browsers take at a time', async ({ page, address, images }) => {
  test.slow();
  await withoutFolders(page, address);
  const source = join(images.folder, 'wide.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', source, '23G');
  await makeSet(page, { source, subformat: 'twoGbMaxExtentSparse', name: 'wide.vmdk' });
  const folder = join(images.folder, 'wide');
  await downloadSet(page, folder, 13);
  expect(qemuImg('compare', source, join(folder, 'wide.vmdk'))).toContain('Images are identical');
});

test('saved into a folder, and not over what is there', async ({ page, context, address, images }) => {
  const folder = join(images.folder, 'folder');
  await withFolder(page, context, address, folder);
  const task = { source: images.packed, subformat: 'monolithicFlat', name: 'disk.vmdk' };
  await makeSet(page, task);
  const old = join(folder, 'disk-flat.vmdk');
  writeFileSync(old, 'old');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('alert')).toContainText("'disk-flat.vmdk' is already in the folder 'folder'");
  expect(readdirSync(folder)).toEqual(['disk-flat.vmdk']);
  expect(readFileSync(old, 'utf8')).toBe('old');

  const empty = join(images.folder, 'empty');
  mkdirSync(empty);
  await dropOnPage(page, context, empty);
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('They are in the folder “empty”.')).toBeVisible();
  await expect(page.getByRole('status')).toHaveText('Done');
  await expect(page.getByRole('alert')).toHaveCount(0);
  expectSameFiles(empty, setByNode(join(images.folder, 'folder-node'), task));
  expect(qemuImg('compare', images.raw, join(empty, 'disk.vmdk'))).toContain('Images are identical');
});

test('a folder that is full at the end keeps nothing', async ({ page, context, address, images }) => {
  const folder = join(images.folder, 'full');
  await withFolder(page, context, address, folder);
  await makeSet(page, { source: images.packed, subformat: 'monolithicFlat', name: 'disk.vmdk' });
  const written = await page.evaluateHandle(() => {
    const sizes = new Map<string, Promise<number>>();
    const { createWritable } = FileSystemFileHandle.prototype;
    FileSystemFileHandle.prototype.createWritable = async function () {
      if (this.name === 'disk.vmdk') {
        const part = await this.getFile();
        sizes.set(part.name, Promise.resolve(part.size));
        throw new DOMException('full', 'QuotaExceededError');
      }
      return createWritable.call(this);
    };
    return sizes;
  });
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('alert')).toContainText('No space left on device');
  await expect(page.getByRole('alert')).toContainText('nothing is left in the folder');
  // It had come to the last file.
  expect(await written.evaluate((sizes) => [...sizes.keys()])).toEqual(['disk.vmdk']);
  expect(readdirSync(folder)).toEqual([]);
  await expect(page.getByRole('status')).toHaveText('Done');
});

test('saving that is cancelled leaves nothing in the folder', async ({ page, context, address, images }) => {
  const folder = join(images.folder, 'stopped');
  await withFolder(page, context, address, folder);
  await makeSet(page, { source: images.packed, subformat: 'monolithicFlat', name: 'disk.vmdk' });
  await page.evaluate(() => {
    const { write } = FileSystemWritableFileStream.prototype;
    FileSystemWritableFileStream.prototype.write = async function (data) {
      await new Promise((resolve) => setTimeout(resolve, 700));
      return write.call(this, data);
    };
  });
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('status')).toHaveText('Saving');
  await expect(page.getByRole('progressbar', { name: 'Saving' })).toBeVisible();
  await expect.poll(() => readdirSync(folder)).not.toEqual([]);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('alert')).toContainText('nothing is left in the folder');
  expect(readdirSync(folder)).toEqual([]);
  await expect(page.getByRole('button', { name: 'Save' })).toBeEnabled();
});

test('cancelling the conversion removes all parts', async ({ page, images }) => {
  await beginSet(page, { source: images.vast, subformat: 'twoGbMaxExtentSparse', name: 'x.vmdk' });
  await expect.poll(() => page.getByRole('progressbar').getAttribute('value')).not.toBe('0');
  await page.getByRole('button', { name: 'Pause' }).click();
  expect(await opfsFiles(page)).toHaveLength(3);
  await page.getByRole('button', { name: 'Cancel' }).click();
  expect(await outcome(page)).toBe('Failed: The operation was cancelled');
  expect(await opfsFiles(page)).toEqual([]);
});

test('a worker that the browser ends leaves no part', async ({ page, images }) => {
  await beginSet(page, { source: images.vast, subformat: 'twoGbMaxExtentSparse', name: 'x.vmdk' });
  await expect.poll(() => page.getByRole('progressbar').getAttribute('value')).not.toBe('0');
  await page.getByRole('button', { name: 'Pause' }).click();
  expect(await opfsFiles(page)).toHaveLength(3);
  for (const worker of page.workers())
    if (worker.url().includes('engine-worker')) await worker.evaluate(() => self.close()).catch(() => {});
  expect(await outcome(page)).toMatch(/^Failed: The engine worker has died/);
  await expect.poll(() => opfsFiles(page)).toEqual([]);
});

test('a full quota leaves no part', async ({ page, context, address, images }) => {
  const session = await context.newCDPSession(page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(address).origin, quotaSize: 4 * MIB });
  await beginSet(page, { source: images.raw, subformat: 'twoGbMaxExtentSparse', name: 'x.vmdk' });
  expect(await outcome(page)).toMatch(/^Failed: .*No space left on device, or the storage quota/);
  expect(await opfsFiles(page)).toEqual([]);
});

test('what a closed page left is removed by the next', async ({ page, context, address, images }) => {
  await makeSet(page, { source: images.packed, subformat: 'monolithicFlat', name: 'x.vmdk' });
  const second = await context.newPage();
  await page.close();
  await second.goto(address);
  await expect.poll(() => opfsFiles(second)).toEqual([]);
});

/** Spoils one byte of a file in OPFS. */
function spoil(page: Page, name: string): Promise<void> {
  return page.evaluate(async (wanted) => {
    const visit = async (folder: FileSystemDirectoryHandle): Promise<void> => {
      for await (const [name, entry] of folder.entries()) {
        if (entry.kind === 'directory') await visit(entry as FileSystemDirectoryHandle);
        else if (name === wanted) {
          const stream = await (entry as FileSystemFileHandle).createWritable({ keepExistingData: true });
          await stream.write({ type: 'write', position: 12345, data: Uint8Array.of(255) });
          await stream.close();
        }
      }
    };
    await visit(await navigator.storage.getDirectory());
  }, name);
}

test('is verified, by its own parts though those of the source are called the same', async ({ page, images }) => {
  const folder = join(images.folder, 'same-names');
  const task = { source: images.packed, subformat: 'monolithicFlat', name: 'disk.vmdk' };
  setByNode(folder, task);
  const source = [join(folder, 'disk.vmdk'), join(folder, 'disk-flat.vmdk')];
  await makeSet(page, { ...task, source });
  const total = sizeText(source.reduce((sum, path) => sum + statSync(path).size, 0));
  const shown = (region: string, name: string) =>
    page.getByRole('region', { name: region }).getByText(name, { exact: true }).locator('xpath=following-sibling::dd');
  await expect(shown('Image details', 'All its files')).toHaveText(total);
  await expect(shown('Conversion', 'Before')).toHaveText(total);
  await page.getByRole('button', { name: 'Verify' }).click();
  await expect(page.getByText('Verified: it reads back the same')).toBeVisible({ timeout: 30_000 });
  await spoil(page, 'disk-flat.vmdk');
  await page.getByRole('button', { name: 'Verify' }).click();
  await expect(page.getByText('the first difference is after 12,345 bytes of the disk')).toBeVisible({
    timeout: 30_000,
  });
});

test('needs a name that downloads keep, and no file of the user', async ({ page, images }) => {
  await page.getByLabel('Disk image').setInputFiles(images.packed);
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('vmdk');
  const chosenFile = page.getByRole('radio', { name: 'Write into a file I choose now' });
  await chosenFile.check();
  await page.getByRole('combobox', { name: 'Subformat' }).selectOption('monolithicFlat');
  await expect(chosenFile).toBeDisabled();
  await expect(page.getByRole('radio', { name: 'Save into a folder when done' })).toBeChecked();
  await expect(page.getByText('diskloom convert -p -O vmdk -o subformat=monolithicFlat packed.qcow2')).toBeVisible();
  const name = page.getByRole('textbox', { name: 'File name' });
  const isValid = () => name.evaluate((input: HTMLInputElement) => input.validity.valid);
  for (const bad of ['a:b.vmdk', 'a/b.vmdk', 'a\\b.vmdk', 'a"b.vmdk', 'a|b.vmdk']) {
    await name.fill(bad);
    expect(await isValid(), bad).toBe(false);
  }
  await name.fill('ünï cödé (1).vmdk');
  expect(await isValid()).toBe(true);
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('raw');
  await expect(chosenFile).toBeChecked();
  await name.fill('a:b.img');
  expect(await isValid()).toBe(true);
});
