/** The VMDK driver: VMware's disks, in one file or in many. */
import type { ImageDriver } from '../../image/driver.js';
import { openForCheck } from './check.js';
import { createVmdk } from './create.js';
import { editVmdk } from './edit.js';
import { openVmdk } from './open.js';
import { createOptions } from './options.js';
import { probe } from './probe.js';

export const vmdk: ImageDriver = {
  name: 'vmdk',
  createOptions,
  compresses: true,
  backing: true,
  probe,
  open: openVmdk,
  create: createVmdk,
  edit: editVmdk,
  check: openForCheck,
};
