import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JSHandle, Page } from '@playwright/test';
import type * as Library from '../../src/platform/web/index.js';
import { expect, test } from './fixtures.js';
import { qemuImg, sameBytes } from './images.js';

type Diskloom = typeof Library;
type Options = Library.ConvertOptions;

/** The library, once the page has it. */
async function loaded(page: Page): Promise<JSHandle<Diskloom>> {
  return page.waitForFunction(() => (globalThis as unknown as { diskloom?: Diskloom }).diskloom!);
}

/** Converts the first of `sources`, the others being what it refers to; returns the saved result and what was told. */
async function convert(page: Page, folder: string, sources: string[], options: Options) {
  await page.getByLabel('Sources').setInputFiles(sources);
  const diskloom = await loaded(page);
  const downloading = page.waitForEvent('download');
  const told = await diskloom.evaluate(async ({ convert, download, Workspace }, options) => {
    const [source, ...references] = document.querySelector('input')!.files!;
    const target = await (await Workspace.open()).createFile();
    const steps: Library.ConvertProgress[] = [];
    const report = await convert(source!, target, { ...options, references, onProgress: (step) => steps.push(step) });
    download(await target.getFile(), 'result');
    return { report, steps };
  }, options);
  const result = join(folder, 'result');
  await (await downloading).saveAs(result);
  return { result, ...told };
}

for (const folder of ['library-plain', 'library-bundled']) {
  test.describe(folder, () => {
    test.use({ site: { folder: `build/${folder}`, isolation: 'off' } });

    test('converts a Blob into OPFS and tells of its progress', async ({ page, images }) => {
      const { result, report, steps } = await convert(page, images.folder, [images.qcow2], { format: 'raw' });
      expect(sameBytes(result, images.raw)).toBe(true);
      const { size } = statSync(images.raw);
      expect(report).toMatchObject({ diskSize: size, fileSize: size, packedBytes: 0 });
      const done = steps.map((step) => step.done);
      expect(done).toEqual([...done].sort((a, b) => a - b));
      expect(steps.at(-1)).toMatchObject({
        phase: 'converting',
        done: size,
        total: size,
        bytesWritten: report.plainBytes,
      });
    });

    test('takes options, and any number of workers', async ({ page, images }) => {
      const options = { format: 'qcow2', options: { cluster_size: 4096, compat: '0.10' }, workers: 0, compress: true };
      const { result } = await convert(page, images.folder, [images.raw], options);
      const info = JSON.parse(qemuImg('info', '--output=json', result));
      expect(info['cluster-size']).toBe(4096);
      expect(info['format-specific'].data.compat).toBe('0.10');
      expect(qemuImg('compare', images.raw, result)).toContain('Images are identical');
    });

    test('finds a backing file among the references', async ({ page, images }) => {
      const overlay = join(images.folder, 'overlay.qcow2');
      qemuImg('create', '-q', '-f', 'qcow2', '-b', images.qcow2, '-F', 'qcow2', overlay);
      const { result } = await convert(page, images.folder, [overlay, images.qcow2], { format: 'raw' });
      expect(sameBytes(result, images.raw)).toBe(true);
    });

    test('notices that the source is gone, though its size reads as zero', async ({ page, images }) => {
      const source = join(images.folder, 'gone.img');
      writeFileSync(source, 'content');
      await page.getByLabel('Sources').setInputFiles(source);
      rmSync(source);
      const diskloom = await loaded(page);
      const thrown = await diskloom.evaluate(async ({ convert, ImageError, Workspace }) => {
        const [file] = document.querySelector('input')!.files!;
        const target = await (await Workspace.open()).createFile();
        return convert(file!, target, { format: 'raw' }).catch((error) => error instanceof ImageError && error.code);
      });
      expect(thrown).toBe('not-found');
    });

    test('throws ImageError with its code, and does nothing to a target that it never opened', async ({ page }) => {
      const diskloom = await loaded(page);
      const seen = await diskloom.evaluate(async ({ convert, ImageError }) => {
        const root = await navigator.storage.getDirectory();
        const target = await root.getFileHandle('target', { create: true });
        const codeOf = (content: BlobPart[], options: Options): Promise<string> =>
          convert(new Blob(content), target, options).then(
            () => 'none',
            (thrown: unknown) => (thrown instanceof ImageError ? thrown.code : String(thrown)),
          );
        const head = Uint8Array.of(0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3);
        const codes = [
          await codeOf([new Uint8Array(512)], { format: 'no-such-format' }),
          await codeOf([new Uint8Array(512)], { format: 'raw', options: { no_such_option: 1 } }),
          await codeOf([head, new Uint8Array(600)], { format: 'raw' }),
          await codeOf([new Uint8Array(512)], { format: 'raw', signal: AbortSignal.abort() }),
        ];
        const left: string[] = [];
        for await (const name of root.keys()) left.push(name);
        return { codes, left };
      });
      expect(seen.codes.slice(0, 2)).toEqual(['invalid', 'invalid']);
      expect(['corrupt', 'unsupported', 'invalid']).toContain(seen.codes[2]);
      expect(seen.codes[3]).toBe('aborted');
      expect(seen.left).toEqual(['target']);
    });
  });
}
