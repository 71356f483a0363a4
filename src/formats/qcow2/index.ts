/** The qcow2 driver: versions 2 and 3 of QEMU's copy-on-write format. */
import { viewOf } from '../../bytes.js';
import type { ImageDriver, ProbeInput } from '../../image/driver.js';
import { HEADER_V2, MAGIC } from './layout.js';
import { openQcow2 } from './open.js';

export const qcow2: ImageDriver = {
  name: 'qcow2',
  createOptions: [],
  compresses: true,
  backing: true,
  probe,
  open: openQcow2,
};

function probe({ head }: ProbeInput): number {
  if (head.length < HEADER_V2.size) return 0;
  const view = viewOf(head);
  const isQcow2 = view.getUint32(0) === MAGIC && view.getUint32(4) >= 2;
  return isQcow2 ? 100 : 0;
}
