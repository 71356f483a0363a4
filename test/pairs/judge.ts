/** What qemu-img says of an image. */
import { closeSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { nameOf, qemuImg, SECRET, type Variant } from './variants.js';

/** Formats that qemu-img checks. */
const CHECKED = ['qcow2', 'qed', 'vdi', 'vhdx', 'vmdk', 'parallels'];

/** Bytes of the disk. */
export async function sizeOf(name: string): Promise<number> {
  return JSON.parse(await qemuImg('info', ...SECRET, '--output=json', '--image-opts', asOptions(name)))['virtual-size'];
}

/** Throws unless the image `file` is in order, and its disk is that of `expected`, which has `size` bytes. */
export async function expectImage(variant: Variant, file: string, expected: string, size: number): Promise<void> {
  const { format, roundsUp = false } = variant;
  const name = nameOf(variant, file);
  const [info, compared] = await Promise.all([
    qemuImg('info', ...SECRET, '--output=json', '--image-opts', asOptions(name)),
    qemuImg('compare', ...SECRET, '--image-opts', asOptions(name), asOptions(expected)),
    CHECKED.includes(format) ? qemuImg('check', name) : null,
  ]);
  if (!compared.includes('Images are identical')) throw new Error(compared);
  const told = JSON.parse(info);
  const isRight = roundsUp
    ? told['virtual-size'] >= size && told['virtual-size'] < 1.1 * size + 2 ** 23
    : told['virtual-size'] === size;
  if (told.format !== format || !isRight)
    throw new Error(`info says ${told.format}, ${told['virtual-size']} bytes, not ${format}, ${size}`);
}

/**
 * The same where qemu-img would read all of a vast disk: the stretches of data, and what lies around them. The disk may be
 * longer than `expected`, the rest being zeros.
 */
export async function expectPatches(
  variant: Variant,
  file: string,
  expected: string,
  size: number,
  patches: readonly { offset: number; length: number }[],
): Promise<void> {
  const name = nameOf(variant, file);
  const told = await sizeOf(name);
  if (told !== size) throw new Error(`info says ${told} bytes, not ${size}`);
  if (CHECKED.includes(variant.format)) await qemuImg('check', name);
  for (const { offset, length } of patches) {
    const start = Math.max(0, offset - 4096);
    const count = Math.min(length + 8192, size - start) / 512;
    const part = `${file}.part`;
    await qemuImg(
      'dd',
      '-O',
      'raw',
      'bs=512',
      `skip=${start / 512}`,
      `count=${start / 512 + count}`,
      `if=${name}`,
      `of=${part}`,
    );
    const bytes = Buffer.alloc(count * 512);
    const fd = openSync(expected, 'r');
    readSync(fd, bytes, 0, bytes.length, start);
    closeSync(fd);
    const found = readFileSync(part);
    rmSync(part);
    if (!found.equals(bytes)) throw new Error(`other bytes at ${start}`);
  }
}

/** What `--image-opts` takes in the place of a `json:` name. */
function asOptions(name: string): string {
  const { file, ...rest } = JSON.parse(name.slice('json:'.length)) as { file: { [key: string]: string } };
  const all = { ...rest, ...Object.fromEntries(Object.entries(file).map(([key, value]) => [`file.${key}`, value])) };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
