/** The QED driver: QEMU's enhanced disk format, an ancestor of qcow2 version 3. */
import { viewOf } from '../../bytes.js';
import type { ImageDriver, ProbeInput } from '../../image/driver.js';
import { openForCheck } from './check.js';
import { createOptions, createQed } from './create.js';
import { HEADER, MAGIC } from './layout.js';
import { editQed, openQed } from './open.js';

export const qed: ImageDriver = {
  name: 'qed',
  createOptions,
  compresses: false,
  backing: true,
  probe,
  open: openQed,
  create: createQed,
  check: openForCheck,
  edit: editQed,
};

function probe({ head }: ProbeInput): number {
  return head.length >= HEADER.size && viewOf(head).getUint32(0, true) === MAGIC ? 100 : 0;
}
