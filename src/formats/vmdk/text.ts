/** Writing descriptors, word by word as `qemu-img` does it. */
import { SECTOR } from './layout.js';
import type { NewDisk } from './options.js';

/** What a descriptor tells besides the options. */
export interface Identification {
  cid: number;
  parentCid: number;
  parentName: string | null;
}

/** The name of an extent's file, without its directory, and the bytes of disk in it. */
export interface NewExtent {
  fileName: string;
  size: number;
}

/** A new disk's descriptor. */
export function newDescriptor(disk: NewDisk, ids: Identification, extents: readonly NewExtent[]): Uint8Array {
  const { size, subformat, adapter, hardwareVersion, toolsVersion, isFlat } = disk;
  // what VMware's own tools count with
  const heads = adapter === 'ide' ? 16 : 255;
  const line = ({ size: bytes, fileName }: NewExtent) =>
    isFlat ? `RW ${bytes / SECTOR} FLAT "${fileName}" 0\n` : `RW ${bytes / SECTOR} SPARSE "${fileName}"\n`;
  const lines = [
    '# Disk DescriptorFile',
    'version=1',
    `CID=${ids.cid.toString(16)}`,
    `parentCID=${ids.parentCid.toString(16)}`,
    `createType="${subformat}"`,
    ids.parentName === null ? '' : `parentFileNameHint="${ids.parentName}"`,
    '# Extent description',
    extents.map(line).join(''),
    '# The Disk Data Base',
    '#DDB',
    '',
    `ddb.virtualHWVersion = "${hardwareVersion}"`,
    `ddb.geometry.cylinders = "${Math.floor(size / (63 * heads * SECTOR))}"`,
    `ddb.geometry.heads = "${heads}"`,
    'ddb.geometry.sectors = "63"',
    `ddb.adapterType = "${adapter}"`,
    `ddb.toolsVersion = "${toolsVersion}"`,
    '',
  ];
  return new TextEncoder().encode(lines.join('\n'));
}
