/** What a person should know of an image before converting it. */
import type { Inspection, NodeInfo, Survey } from '../../src/platform/web/index.js';
import type { ImageFile } from '../intake/image-file.js';
import { sizeText } from '../shell/text.js';

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
/** Bytes: the smallest floppy disks held ten times as much. */
const SMALLEST_DISK = 16 * 1024;
/** Bytes: the last cluster of an image need not be all there, and none is larger. */
const LARGEST_CLUSTER = 2 * 1024 ** 2;

/** In the order of their weight. */
export function warningsOf(file: ImageFile, inspection: Inspection, survey: Survey | null): string[] {
  const { layers, warnings } = inspection;
  const [top] = layers;
  if (top === undefined) return warnings;
  const found: string[] = [];
  const data = top.specific?.data ?? {};
  const missing = missingBytes(file, inspection, survey);
  if (missing > 0)
    found.push(
      `It is cut off: at least ${sizeText(missing)} are missing at its end, and the disk reads as zeros there. A download that ended too early looks like this.`,
    );
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
  else if (top.format === 'raw' && file.size < SMALLEST_DISK)
    found.push(
      file.size === 0
        ? 'The file is empty, and so will the new disk be.'
        : 'This is smaller than any disk: is it the right file? Whatever has no known format is taken for a raw disk.',
    );
  if (top.format === 'vpc' && isFixed(file, top))
    found.push('A fixed VHD is a raw disk with a footer: it is recognised by its last 512 bytes alone.');
  if ('url' in file && file.etag === null && file.lastModified === null)
    found.push('Its server does not tell when the file was changed: be sure that nobody changes it meanwhile.');
  return [...found, ...warnings.filter((text) => !text.includes('stands at its end'))];
}

/** Bytes of data that the image says it has, beyond the end of its only file. */
function missingBytes(file: ImageFile, { files, layers }: Inspection, survey: Survey | null): number {
  if (survey === null || files.length !== layers.length || survey.end <= file.size + LARGEST_CLUSTER) return 0;
  return survey.end - file.size;
}

function isFixed(file: ImageFile, top: NodeInfo): boolean {
  return file.size - top.virtualSize === VHD_FOOTER;
}
