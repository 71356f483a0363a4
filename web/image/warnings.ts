/** What a person should know of an image before converting it. */
import type { Inspection, NodeInfo } from '../../src/platform/web/index.js';
import type { ImageFile } from '../intake/intake.js';

/** Endings of file names that promise a format, and the driver that reads it. */
const PROMISES: Readonly<Record<string, string>> = {
  qcow2: 'qcow2',
  qcow: 'qcow',
  vdi: 'vdi',
  vhdx: 'vhdx',
  vhd: 'vpc',
  vmdk: 'vmdk',
  hds: 'parallels',
  qed: 'qed',
  dmg: 'dmg',
};

const VHD_FOOTER = 512;

/** In the order of their weight. */
export function warningsOf(file: ImageFile, { layers, warnings }: Inspection): string[] {
  const [top] = layers;
  if (top === undefined) return warnings;
  const found: string[] = [];
  const data = top.specific?.data ?? {};
  if (data.corrupt === true)
    found.push('The image is marked as corrupt. Converting reads what it can; check the result before you rely on it.');
  if (top.dirty)
    found.push(
      'It was not closed properly: a virtual machine may still be using it, or has crashed. Its last changes may be missing.',
    );
  const promised = PROMISES[file.name.slice(file.name.lastIndexOf('.') + 1).toLowerCase()];
  if (promised !== undefined && top.format === 'raw')
    found.push(
      `The name says ${promised}, the content does not: it is taken for a raw disk. A download that ended too early looks like this.`,
    );
  if (top.format === 'vpc' && isFixed(file, top))
    found.push('A fixed VHD is a raw disk with a footer: it is recognised by its last 512 bytes alone.');
  if ('url' in file && file.etag === null && file.lastModified === null)
    found.push('Its server does not tell when the file was changed: be sure that nobody changes it meanwhile.');
  return [...found, ...warnings.filter((text) => !text.includes('stands at its end'))];
}

function isFixed(file: ImageFile, top: NodeInfo): boolean {
  return file.size - top.virtualSize === VHD_FOOTER;
}
