/** The VHDX driver: Hyper-V's format, dynamic, fixed and differencing. */
import type { ImageDriver } from '../../image/driver.js';
import { openForCheck } from './check.js';
import { createVhdx } from './create.js';
import { FILE_SIGNATURE } from './layout.js';
import { editVhdx, openVhdx } from './open.js';
import { createOptions } from './options.js';

export const vhdx: ImageDriver = {
  name: 'vhdx',
  createOptions,
  compresses: false,
  backing: true,
  probe: ({ head }) => (FILE_SIGNATURE.every((byte, at) => head[at] === byte) ? 100 : 0),
  open: openVhdx,
  create: createVhdx,
  edit: editVhdx,
  check: openForCheck,
};
