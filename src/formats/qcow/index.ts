/** The qcow driver: version 1 of QEMU's copy-on-write format. */
import { viewOf } from '../../bytes.js';
import type { ImageDriver, ProbeInput } from '../../image/driver.js';
import { createOptions, createQcow } from './create.js';
import { runtimeOptions } from './encryption.js';
import { HEADER, MAGIC, VERSION } from './layout.js';
import { editQcow, openQcow } from './open.js';

export const qcow: ImageDriver = {
  name: 'qcow',
  createOptions,
  runtimeOptions,
  compresses: true,
  backing: true,
  unknownBackingFormat: (name) => `unrecognized backing format '${name}'`,
  probe,
  open: openQcow,
  create: createQcow,
  edit: editQcow,
};

function probe({ head }: ProbeInput): number {
  if (head.length < HEADER.size) return 0;
  const view = viewOf(head);
  return view.getUint32(0) === MAGIC && view.getUint32(4) === VERSION ? 100 : 0;
}
