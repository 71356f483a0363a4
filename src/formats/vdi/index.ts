/** The VDI driver: VirtualBox's disk images. */
import { viewOf } from '../../bytes.js';
import type { ImageDriver, ProbeInput } from '../../image/driver.js';
import { openForCheck } from './check.js';
import { createOptions, createVdi } from './create.js';
import { HEADER, SIGNATURE } from './layout.js';
import { editVdi, openVdi } from './open.js';

export const vdi: ImageDriver = {
  name: 'vdi',
  createOptions,
  compresses: false,
  backing: true,
  probe,
  open: openVdi,
  create: createVdi,
  check: openForCheck,
  edit: editVdi,
};

function probe({ head }: ProbeInput): number {
  const [offset] = HEADER.fields.signature;
  return head.length >= HEADER.size && viewOf(head).getUint32(offset, true) === SIGNATURE ? 100 : 0;
}
