/** The raw driver: no header, no probe, no metadata. */
import type { ImageDriver } from '../../image/driver.js';
import { PlainImage, SECTOR } from '../../image/plain/plain-image.js';
import { PlainEditor } from '../../image/plain/plain-writer.js';
import { createRaw, rawCreateOptions } from './create.js';
import { diskRegion, rawRuntimeOptions, resizeRegion } from './region.js';

export const raw: ImageDriver = {
  name: 'raw',
  createOptions: rawCreateOptions,
  runtimeOptions: rawRuntimeOptions,
  compresses: false,
  backing: false,
  /** Anything may be a raw image; any other format that recognises the bytes wins. */
  probe: () => 1,
  open: async (source, { runtimeOptions }) => new PlainImage('raw', source, diskRegion(source, runtimeOptions)),
  create: createRaw,
  measure: ({ size }) => {
    const bytes = ((size + BigInt(SECTOR - 1)) / BigInt(SECTOR)) * BigInt(SECTOR);
    return { required: bytes, fullyAllocated: bytes, bitmaps: null };
  },
  edit: async (store, { flush, checkStart }, { runtimeOptions }) =>
    new PlainEditor('raw', store, diskRegion(store, runtimeOptions), flush, {
      ...(checkStart === undefined ? {} : { checkStart }),
      resize: (size, { preallocation }) => resizeRegion(store, size, preallocation, runtimeOptions),
    }),
};
