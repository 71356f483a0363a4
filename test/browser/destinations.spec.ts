/** Clouds that take only disks of certain sizes get them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, symlinkSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { expect, test } from './fixtures.js';
import { qemuImg, sameBytes } from './images.js';
import { chooseReproducible, outcome, save } from './page.js';

const MIB = 1024 * 1024;
/** Not whole MiB. */
const SIZE = 3.5 * MIB;
const FOOTER = 512;

test('Azure: filled up to whole MiB, as the command that is shown does it', async ({ page, images }) => {
  const { folder } = images;
  const source = join(folder, 'odd, size.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', source, String(SIZE));
  execFileSync('qemu-io', ['-f', 'qcow2', '-c', `write -P 7 1M ${SIZE - MIB}`, source]);
  await page.getByLabel('Disk image').setInputFiles(source);
  await page.getByRole('radio', { name: 'Azure' }).check();
  await expect(page.getByText('filled up with 512 KiB of zeros')).toBeVisible();
  await chooseReproducible(page);
  const command = await page.locator('.command code').textContent();
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  await page.getByRole('button', { name: 'Verify' }).click();
  await expect(page.getByText('Verified: it reads back the same')).toBeVisible();
  const result = await save(page, folder);
  expect(statSync(result).size).toBe(4 * MIB + FOOTER);
  expect(qemuImg('compare', '-f', 'qcow2', '-F', 'vpc', source, result)).toContain('Images are identical');

  const elsewhere = join(folder, 'by command');
  mkdirSync(elsewhere);
  symlinkSync(source, join(elsewhere, basename(source)));
  const program = `'${process.execPath}' '${resolve('dist/cli.js')}'`;
  execFileSync('sh', ['-c', command!.replace('diskloom convert -p', `${program} convert`)], { cwd: elsewhere });
  expect(sameBytes(result, join(elsewhere, basename(result)))).toBe(true);
});

test('what fits already is left alone, and a snapshot cannot be filled up', async ({ page, images }) => {
  const { folder } = images;
  const source = join(folder, 'snapshot.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', source, String(4 * MIB));
  qemuImg('snapshot', '-c', 'before', source);
  await page.getByLabel('Disk image').setInputFiles(source);
  await page.getByRole('radio', { name: 'Azure' }).check();
  await expect(page.getByText('Azure takes fixed VHDs only')).not.toContainText('This disk');
  await page.getByRole('radio', { name: 'Google Cloud' }).check();
  await expect(page.getByText('Compute Engine imports')).toContainText('filled up with 1020 MiB of zeros');
  await page.getByRole('combobox', { name: 'State of the disk' }).selectOption({ index: 1 });
  await expect(page.getByText('Compute Engine imports')).toContainText('enlarge the image first');
  await expect(page.locator('.command code')).not.toContainText('null-co');
});
