/** Driving the page as a person does. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BrowserContext, expect, type Page } from '@playwright/test';

export interface Task {
  /** Several: the image is one of them, the others belong to it. */
  source: string | string[];
  format: string;
  name: string;
  compress?: boolean;
  /** Of the new image, where the format wants one. */
  passphrase?: string;
  /** Of a VMDK. */
  subformat?: string;
  reproducible?: boolean;
}

export const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
export const details = (page: Page) => page.getByRole('region', { name: 'Image details' });
/** Which of several images the page is about. */
export const choice = (page: Page) => page.getByRole('combobox', { name: 'Image', exact: true });

/** Fills in the form and starts the conversion. */
export async function begin(page: Page, task: Task): Promise<void> {
  const { source, format, name, compress = false, passphrase, subformat, reproducible = false } = task;
  await page.getByLabel('Disk image').setInputFiles(source);
  await page.getByRole('combobox', { name: 'Output format' }).selectOption(format);
  await page.getByRole('textbox', { name: 'File name' }).fill(name);
  if (compress) await page.getByRole('checkbox', { name: 'Compress' }).check();
  if (passphrase !== undefined) await page.getByLabel('Passphrase of the new image').fill(passphrase);
  if (subformat !== undefined) await page.getByRole('combobox', { name: 'Subformat' }).selectOption(subformat);
  if (reproducible) await chooseReproducible(page);
  await page.getByRole('button', { name: 'Convert' }).click();
}

/** Opens what it is hidden in, if that is not open. */
export async function chooseReproducible(page: Page): Promise<void> {
  const more = page.locator('details.more');
  if (!(await more.evaluate((element: HTMLDetailsElement) => element.open))) await more.locator('summary').click();
  await page.getByRole('checkbox', { name: 'Reproducible' }).check();
}

/** Drops a file or folder of this machine on the page, as a person does. */
export async function dropOnPage(page: Page, context: BrowserContext, path: string): Promise<void> {
  const session = await context.newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: 10, y: 10, data });
}

/**
 * Opens the page with dialogs that give `folder`, which is made, or a file in it. The dialogs themselves need a person; a
 * handle of a dropped folder is as real.
 */
export async function withFolder(page: Page, context: BrowserContext, address: string, folder: string): Promise<void> {
  mkdirSync(folder);
  await page.addInitScript(() => {
    let dropped: Promise<FileSystemDirectoryHandle>;
    window.addEventListener('drop', (event) => {
      const item = event.dataTransfer!.items[0] as DataTransferItem & {
        getAsFileSystemHandle(): Promise<FileSystemDirectoryHandle>;
      };
      dropped = item.getAsFileSystemHandle();
    });
    window.showDirectoryPicker = () => dropped;
    window.showSaveFilePicker = async ({ suggestedName }) =>
      (await dropped).getFileHandle(suggestedName, { create: true });
  });
  await page.goto(address);
  await dropOnPage(page, context, folder);
}

/** Waits for the end of the conversion; returns what the page says of it. */
export async function outcome(page: Page): Promise<string> {
  const status = page.getByRole('status');
  await expect(status).toHaveText(/^(Done|Failed: .*)$/, { timeout: 45_000 });
  return (await status.textContent())!;
}

/** Saves the result into `folder`, under the name that the page gives it; returns its path. */
export async function save(page: Page, folder: string): Promise<string> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save' }).click(),
  ]);
  const path = join(folder, download.suggestedFilename());
  await download.saveAs(path);
  return path;
}

/** A whole conversion; returns the saved file's path. */
export async function convert(page: Page, folder: string, task: Task): Promise<string> {
  await begin(page, task);
  expect(await outcome(page)).toBe('Done');
  return save(page, folder);
}

/** Names of all files in OPFS, with their folders. */
export function opfsFiles(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const filesIn = async (folder: FileSystemDirectoryHandle, path: string): Promise<string[]> => {
      const files: string[] = [];
      for await (const [name, entry] of folder.entries()) {
        if (entry.kind === 'file') files.push(path + name);
        else files.push(...(await filesIn(entry as FileSystemDirectoryHandle, `${path}${name}/`)));
      }
      return files;
    };
    for (;;) {
      try {
        return await filesIn(await navigator.storage.getDirectory(), '');
      } catch (thrown) {
        // A page has removed a folder while it was being looked into.
        if (!(thrown instanceof DOMException && thrown.name === 'NotFoundError')) throw thrown;
      }
    }
  });
}
