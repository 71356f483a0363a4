import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext, JSHandle, Page } from '@playwright/test';
import type * as Library from '../../src/platform/web/index.js';
import { expect, test } from './fixtures.js';
import { qemuImg, sameBytes } from './images.js';
import { dropOnPage } from './page.js';

type Diskloom = typeof Library;
interface UserPage {
  diskloom?: Diskloom;
  folder?: FileSystemDirectoryHandle;
}

test.use({ site: { folder: 'build/library-plain', isolation: 'off' } });

/** Drops a folder of this machine on the page, as the only way without a dialog to a handle of it. */
async function dropFolder(page: Page, context: BrowserContext, path: string): Promise<JSHandle<UserPage>> {
  await page.evaluate(() => {
    document.addEventListener('dragover', (event) => event.preventDefault());
    document.addEventListener('drop', async (event) => {
      event.preventDefault();
      const item = event.dataTransfer!.items[0] as DataTransferItem & {
        getAsFileSystemHandle(): Promise<FileSystemDirectoryHandle>;
      };
      (globalThis as UserPage).folder = await item.getAsFileSystemHandle();
    });
  });
  await dropOnPage(page, context, path);
  return page.waitForFunction(() => {
    const all = globalThis as UserPage;
    return all.folder && all.diskloom ? all : null;
  }) as Promise<JSHandle<UserPage>>;
}

test('a chosen file is the target, with a state of its own at the end', async ({ page, context, images }) => {
  const folder = join(images.folder, 'chosen');
  mkdirSync(folder);
  const user = await dropFolder(page, context, folder);
  await page.getByLabel('Sources').setInputFiles(images.packed);
  const told = await user.evaluate(async ({ diskloom, folder }) => {
    const [source] = document.querySelector('input')!.files!;
    const convertTo = async (name: string, options: Library.ConvertOptions) => {
      const phases = new Set<string>();
      const onProgress = ({ phase }: Library.ConvertProgress) => void phases.add(phase);
      const target = await folder!.getFileHandle(name, { create: true });
      const report = await diskloom!.convert(source!, target, { ...options, onProgress });
      return { fileSize: report.fileSize, phases: [...phases] };
    };
    return [await convertTo('disk.img', { format: 'raw' }), await convertTo('disk.qcow2', { format: 'qcow2' })];
  });
  expect(sameBytes(join(folder, 'disk.img'), images.raw)).toBe(true);
  expect(sameBytes(join(folder, 'disk.qcow2'), images.qcow2)).toBe(true);
  expect(qemuImg('check', join(folder, 'disk.qcow2'))).toContain('No errors were found');
  const sizes = ['disk.img', 'disk.qcow2'].map((name) => statSync(join(folder, name)).size);
  expect(told).toEqual(sizes.map((fileSize) => ({ fileSize, phases: ['converting', 'finalising'] })));
});

test('cancelling leaves a chosen file as it was', async ({ page, context, images }) => {
  const folder = join(images.folder, 'kept');
  mkdirSync(folder);
  qemuImg('create', '-q', '-f', 'qcow2', join(folder, 'old.qcow2'), '1M');
  const before = statSync(join(folder, 'old.qcow2'));
  const user = await dropFolder(page, context, folder);
  await page.getByLabel('Sources').setInputFiles(images.vast);
  const code = await user.evaluate(async ({ diskloom, folder }) => {
    const [source] = document.querySelector('input')!.files!;
    const target = await folder!.getFileHandle('old.qcow2');
    const stop = new AbortController();
    const options = { format: 'raw', signal: stop.signal, onProgress: () => stop.abort() };
    return diskloom!.convert(source!, target, options).catch((error) => (error as Library.ImageError).code);
  });
  expect(code).toBe('aborted');
  const after = statSync(join(folder, 'old.qcow2'));
  expect([after.size, after.mtimeMs]).toEqual([before.size, before.mtimeMs]);
});

test('several files are made in a folder of OPFS, not in one that was chosen, nor in a file', async ({
  page,
  context,
  images,
}) => {
  const folder = join(images.folder, 'no-target');
  mkdirSync(folder);
  const user = await dropFolder(page, context, folder);
  await page.getByLabel('Sources').setInputFiles(images.packed);
  const seen = await user.evaluate(async ({ diskloom, folder }) => {
    const { convert, verify, Workspace } = diskloom!;
    const [source] = document.querySelector('input')!.files!;
    const options = { format: 'vmdk', options: { subformat: 'monolithicFlat' }, targetName: 'x.vmdk' };
    const codeOf = (target: Library.TargetPlace) =>
      convert(source!, target, options).catch((error) => (error as Library.ImageError).code);
    const workspace = await Workspace.open();
    const file = await workspace.createFile();
    const codes = [await codeOf(folder!), await codeOf(file)];
    const left = await file.getFile().catch(() => null);
    const place = await workspace.createFolder();
    const { files, fileSize } = await convert(source!, place, options);
    const made: File[] = [];
    for (const { name } of files) made.push(await (await place.getFileHandle(name)).getFile());
    const { difference } = await verify(source!, made as [File, ...File[]], { format: 'vmdk' });
    return { codes, left, files, fileSize, sizes: made.map(({ size }) => size), difference };
  });
  expect(seen.codes).toEqual(['unsupported', 'unsupported']);
  expect(readdirSync(folder)).toEqual([]);
  expect(seen.left).toBe(null);
  expect(seen.files.map(({ name }) => name)).toEqual(['x.vmdk', 'x-flat.vmdk']);
  expect(seen.files.map(({ size }) => size)).toEqual(seen.sizes);
  expect(seen.sizes[1]).toBe(statSync(images.raw).size);
  expect(seen.fileSize).toBe(seen.sizes[0]! + seen.sizes[1]!);
  expect(seen.difference).toBe(null);
});
