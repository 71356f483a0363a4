import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { descriptorText, NOTHING } from '../formats/parallels/bundle-builder.js';
import { buildVdi } from '../formats/vdi/build.js';
import { ovfOf, tarOf } from '../unpack/tar-builder.js';
import { writeGptDisk } from './disks.js';
import { expect, test } from './fixtures.js';
import { qemuImg, sameBytes } from './images.js';
import { dropOnPage, opfsFiles, outcome, save } from './page.js';

test('tells partitions and file systems by their names, and snapshots to choose from', async ({ page, images }) => {
  const raw = join(images.folder, 'gpt.img');
  const image = join(images.folder, 'gpt.qcow2');
  writeGptDisk(raw);
  qemuImg('convert', '-O', 'qcow2', raw, image);
  qemuImg('snapshot', '-c', 'before', image);
  execFileSync('qemu-io', ['-f', 'qcow2', '-c', 'write -P 7 0 1M', image]);
  await page.getByLabel('Disk image').setInputFiles(image);
  const details = page.getByRole('region', { name: 'Image details' });
  await expect(details).toContainText('QCOW2');
  await expect(details).toContainText('64 MiB');
  await expect(details.getByRole('img', { name: /Use of the disk: \d+ % data/ })).toBeVisible();
  await expect(details.getByRole('row')).toHaveCount(0);

  await page.getByLabel('Disk image').setInputFiles(raw);
  await expect(details.getByRole('row', { name: '1 FAT16 BOOT EFI system 8 MiB' })).toBeVisible();
  await expect(details.getByRole('row', { name: '2 ext4 system Linux 40 MiB' })).toBeVisible();
  await expect(details.getByRole('row', { name: '3 swap paging Linux swap 10 MiB' })).toBeVisible();

  await page.getByLabel('Disk image').setInputFiles(image);
  await details.getByRole('combobox', { name: 'State of the disk' }).selectOption({ index: 1 });
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('raw');
  await expect(page.getByText('-l snapshot.id=1')).toBeVisible();
  await page.getByRole('textbox', { name: 'File name' }).fill('before.img');
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  expect(sameBytes(await save(page, images.folder), raw)).toBe(true);
});

test('finds the disk in an appliance', async ({ page, images }) => {
  const disk = join(images.folder, 'disk1.vmdk');
  qemuImg('convert', '-O', 'vmdk', '-o', 'subformat=streamOptimized', images.raw, disk);
  const appliance = join(images.folder, 'machine.ova');
  const ovf = ovfOf({ disk: 'disk1.vmdk' }, ['disk']);
  writeFileSync(
    appliance,
    tarOf({ name: 'machine.ovf', content: ovf }, { name: 'disk1.vmdk', content: readFileSync(disk) }),
  );
  await page.getByLabel('Disk image').setInputFiles(appliance);
  await expect(page.getByRole('region', { name: 'Image details' })).toContainText('VMDK');
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('qcow2');
  await expect(page.getByRole('textbox', { name: 'File name' })).toHaveValue('machine.qcow2');
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  const saved = await save(page, images.folder);
  expect(() => qemuImg('compare', images.raw, saved)).not.toThrow();
});

const PACKERS = { gz: 'gzip', xz: 'xz', zst: 'zstd', bz2: 'bzip2' };
for (const [ending, program] of Object.entries(PACKERS)) {
  test(`unpacks an image that is compressed by ${program}`, async ({ page, images }) => {
    const packed = join(images.folder, `packed.img.${ending}`);
    writeFileSync(packed, execFileSync(program, ['-c', images.raw], { maxBuffer: 2 ** 28 }));
    await page.getByLabel('Disk image').setInputFiles(packed);
    await expect(page.getByText(new RegExp(`^diskloom convert .*packed\\.img\\.${ending} `))).toBeVisible();
    await page.getByRole('combobox', { name: 'Output format' }).selectOption('qcow2');
    await page.getByRole('textbox', { name: 'File name' }).fill(`${program}.qcow2`);
    await page.getByRole('button', { name: 'Convert' }).click();
    expect(await outcome(page)).toBe('Done');
    const saved = await save(page, images.folder);
    expect(() => qemuImg('compare', images.raw, saved)).not.toThrow();
  });
}

test('unpacking can be stopped, and damage is told of', async ({ page, images }) => {
  const cut = join(images.folder, 'cut.img.gz');
  writeFileSync(cut, gzipSync(readFileSync(images.raw)).subarray(0, 1_000_000));
  await page.getByLabel('Disk image').setInputFiles(cut);
  const details = page.getByRole('region', { name: 'Image details' });
  await expect(details).toContainText('the gzip stream is damaged');

  const vast = join(images.folder, 'vast.img.gz');
  execFileSync('sh', ['-c', `head -c 3G /dev/zero | gzip -1 > ${vast}`]);
  await page.getByLabel('Disk image').setInputFiles(vast);
  await details.getByRole('button', { name: 'Stop unpacking' }).click();
  await expect(details).toContainText('The operation was cancelled');
  expect(await opfsFiles(page)).toEqual([]);
});

test('unpacking that is stopped before it began leaves nothing', async ({ page, context, images }) => {
  const packed = join(images.folder, 'unbegun.img.gz');
  writeFileSync(packed, gzipSync(readFileSync(images.raw)));
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await expect(page.getByText('Hyper-V VHDX').first()).toBeVisible();
  await context.route(/engine-worker/, async (route) => {
    await released;
    await route.continue();
  });
  await page.getByLabel('Disk image').setInputFiles(packed);
  const details = page.getByRole('region', { name: 'Image details' });
  await details.getByRole('button', { name: 'Stop unpacking' }).click();
  release();
  await expect(details).toContainText('The operation was cancelled');
  expect(await opfsFiles(page)).toEqual([]);
});

test('names the missing backing file, and goes on when it comes', async ({ page, images }) => {
  const overlay = join(images.folder, 'overlay.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', images.qcow2, '-F', 'qcow2', overlay);
  await page.getByLabel('Disk image').setInputFiles(overlay);
  const details = page.getByRole('region', { name: 'Image details' });
  await expect(details).toContainText('builds on plain.qcow2');
  await expect(details.getByRole('button', { name: 'Choose plain.qcow2' })).toBeVisible();
  const first = page.getByText('The image needs plain.qcow2 first.');
  await expect(first).toBeVisible();
  await page.getByLabel('Disk image').setInputFiles(images.qcow2);
  await expect(first).toHaveCount(0);
  await expect(details.getByRole('heading', { name: 'overlay.qcow2' })).toBeVisible();
  await expect(details.getByRole('listitem').filter({ hasText: 'plain.qcow2' })).not.toContainText('missing');
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('raw');
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  expect(sameBytes(await save(page, images.folder), images.raw)).toBe(true);
});

test('takes a dropped folder with a backing chain', async ({ page, context, images }) => {
  const folder = join(images.folder, 'dropped');
  mkdirSync(folder);
  const base = join(folder, 'base.qcow2');
  qemuImg('convert', '-O', 'qcow2', images.raw, base);
  qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', join(folder, 'top.qcow2'));
  await dropOnPage(page, context, folder);
  const details = page.getByRole('region', { name: 'Image details' });
  await expect(details.getByRole('heading', { name: 'top.qcow2' })).toBeVisible();
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('raw');
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  expect(sameBytes(await save(page, images.folder), images.raw)).toBe(true);
});

test('takes a dropped Parallels bundle', async ({ page, context, images }) => {
  const folder = join(images.folder, 'disk.hdd');
  mkdirSync(folder);
  qemuImg('convert', '-O', 'parallels', images.raw, join(folder, 'disk.hds'));
  const end = readFileSync(images.raw).length / 512;
  const guid = '{11111111-2222-3333-4444-555555555555}';
  const storages = [{ start: 0, end, images: [{ guid, type: 'Compressed', file: 'disk.hds' }] }];
  const shots = [{ guid, parent: NOTHING }];
  writeFileSync(join(folder, 'DiskDescriptor.xml'), descriptorText({ size: end, storages, shots, top: guid }));
  await dropOnPage(page, context, folder);
  const details = page.getByRole('region', { name: 'Image details' });
  await expect(details.getByRole('heading', { name: 'DiskDescriptor.xml' })).toBeVisible();
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('raw');
  await page.getByRole('textbox', { name: 'File name' }).fill('bundle.img');
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  expect(sameBytes(await save(page, images.folder), images.raw)).toBe(true);
});

test('finds the parent of a differencing VDI among the files of a folder', async ({ page, context, images }) => {
  const folder = join(images.folder, 'vdi');
  mkdirSync(folder);
  const base = { type: 1, uuid: 'a', content: '1', blocks: [1, 'parent', 3] } as const;
  const top = {
    type: 4,
    uuid: 'b',
    content: '2',
    parent: 'a',
    parentContent: '1',
    blocks: ['parent', 2, 'zero'],
  } as const;
  for (const [name, parts] of Object.entries({ base, top }))
    writeFileSync(join(folder, `${name}.vdi`), buildVdi({ ...parts, blocks: [...parts.blocks] }));
  await dropOnPage(page, context, folder);
  const details = page.getByRole('region', { name: 'Image details' });
  await expect(details.getByRole('heading', { name: 'top.vdi' })).toBeVisible();
  await page.getByRole('combobox', { name: 'Output format' }).selectOption('raw');
  await page.getByRole('textbox', { name: 'File name' }).fill('vdi.img');
  await page.getByRole('button', { name: 'Convert' }).click();
  expect(await outcome(page)).toBe('Done');
  const bytes = readFileSync(await save(page, images.folder));
  const block = (value: number) => Buffer.alloc(1024 * 1024, value);
  expect(bytes.equals(Buffer.concat([block(1), block(2), block(0)]))).toBe(true);
});

test('destinations set format and options, and the command says so', async ({ page, images }) => {
  // Of whole MiB: there is nothing to fill up.
  await page.getByLabel('Disk image').setInputFiles(images.vast);
  await expect(page.getByRole('region', { name: 'Image details' })).toContainText('3 GiB disk');
  await page.getByRole('radio', { name: 'Azure' }).check();
  await expect(page.getByRole('combobox', { name: 'Output format' })).toHaveValue('vpc');
  await expect(
    page.getByText('diskloom convert -p -O vpc -o subformat=fixed,force_size=on vast.img vast.vhd'),
  ).toBeVisible();
  await page.getByRole('combobox', { name: 'Subformat' }).selectOption('dynamic');
  await expect(page.getByText('force_size=on,subformat=dynamic')).toBeVisible();
});
