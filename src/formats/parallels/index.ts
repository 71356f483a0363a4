/** The Parallels driver: disks of Parallels Desktop and Virtuozzo, version 2. */
import type { ImageDriver, ProbeInput } from '../../image/driver.js';
import { openForCheck } from './check.js';
import { createOptions, createParallels } from './create.js';
import { hasMagic } from './header.js';
import { HEADER, MAGIC, OLD_MAGIC, VERSION } from './layout.js';
import { editParallels, openParallels } from './open.js';
import { runtimeOptions } from './preallocation.js';

export const parallels: ImageDriver = {
  name: 'parallels',
  createOptions,
  runtimeOptions,
  compresses: false,
  backing: true,
  probe,
  open: openParallels,
  create: createParallels,
  edit: editParallels,
  check: openForCheck,
};

function probe({ head }: ProbeInput): number {
  if (head.length < HEADER.size || HEADER.read(head).version !== VERSION) return 0;
  return hasMagic(head, MAGIC) || hasMagic(head, OLD_MAGIC) ? 100 : 0;
}
