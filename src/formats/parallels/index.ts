/** The Parallels driver: disks of Parallels Desktop and Virtuozzo, version 2, by themselves and in bundles. */
import type { ImageDriver, ProbeInput } from '../../image/driver.js';
import { DESCRIPTOR, isDescriptor } from './bundle/descriptor.js';
import { bundlesAreReadOnly, isBundle, openBundle, openBundleForCheck } from './bundle/open.js';
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
  bundleFile: DESCRIPTOR,
  open: async (source, context) =>
    (await isBundle(source)) ? openBundle(source, context) : openParallels(source, context),
  create: createParallels,
  edit: async (store, request, context) => {
    if (await isBundle(store)) throw bundlesAreReadOnly();
    return editParallels(store, request, context);
  },
  check: async (source, store, context) =>
    (await isBundle(source)) ? openBundleForCheck(source, context) : openForCheck(source, store),
};

function probe({ head }: ProbeInput): number {
  if (isDescriptor(head)) return 100;
  if (head.length < HEADER.size || HEADER.read(head).version !== VERSION) return 0;
  return hasMagic(head, MAGIC) || hasMagic(head, OLD_MAGIC) ? 100 : 0;
}
