/** The raw driver: no header, no probe, no metadata. */
import type { ImageDriver } from '../../image/driver.js';
import { RawImage, rawRuntimeOptions } from './image.js';
import { RawEditor, RawWriter, rawCreateOptions } from './writer.js';

export const raw: ImageDriver = {
  name: 'raw',
  createOptions: rawCreateOptions,
  runtimeOptions: rawRuntimeOptions,
  compresses: false,
  backing: false,
  /** Anything may be a raw image; any other format that recognises the bytes wins. */
  probe: () => 1,
  open: RawImage.open,
  create: RawWriter.create,
  edit: RawEditor.edit,
};
