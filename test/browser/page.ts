/** Driving the page as a person does. */
import { join } from 'node:path';
import { expect, type Page } from '@playwright/test';

export interface Task {
  source: string;
  format: string;
  name: string;
  compress?: boolean;
}

/** Fills in the form and starts the conversion. */
export async function begin(page: Page, { source, format, name, compress = false }: Task): Promise<void> {
  await page.getByLabel('Disk image').setInputFiles(source);
  await page.getByRole('combobox', { name: 'Output format' }).selectOption(format);
  await page.getByRole('textbox', { name: 'File name' }).fill(name);
  if (compress) await page.getByRole('checkbox', { name: 'Compress' }).check();
  await page.getByRole('button', { name: 'Convert' }).click();
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
    const files: string[] = [];
    const visit = async (folder: FileSystemDirectoryHandle, path: string): Promise<void> => {
      for await (const [name, entry] of folder.entries()) {
        if (entry.kind === 'directory') await visit(entry as FileSystemDirectoryHandle, `${path}${name}/`);
        else files.push(path + name);
      }
    };
    await visit(await navigator.storage.getDirectory(), '');
    return files;
  });
}
