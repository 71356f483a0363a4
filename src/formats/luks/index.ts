/** The LUKS driver, version 1: a disk whose sectors are encrypted, behind a header with keys. */
import type { ImageDriver } from '../../image/driver.js';
import { luksAmendRows } from '../../image/luks/amend.js';
import { isLuks } from '../../image/luks/header.js';
import { luksOptionRows } from '../../image/luks/options.js';
import { type OptionTable, STORAGE_PREALLOCATION } from '../../image/options.js';
import { openForAmend } from './amend.js';
import { createLuksImage, measureLuks } from './create.js';
import { editLuks } from './editor.js';
import { openLuks } from './image.js';

const KEY_SECRET = {
  name: 'key-secret',
  type: 'text',
  help: 'ID of the secret that provides the keyslot passphrase',
} as const;

const CREATE_OPTIONS: OptionTable = [
  { name: 'size', type: 'size', help: 'Virtual disk size' },
  KEY_SECRET,
  ...luksOptionRows(''),
  { name: 'detached-header', type: 'bool', help: 'Create a detached LUKS header' },
  {
    name: 'preallocation',
    type: 'string',
    help: 'Preallocation mode (allowed values: off, falloc, full)',
    // More than its text says, as with `qemu-img`.
    values: ['metadata', ...STORAGE_PREALLOCATION],
    storage: true,
  },
];

export const luks: ImageDriver = {
  name: 'luks',
  createOptions: CREATE_OPTIONS,
  runtimeOptions: [KEY_SECRET],
  compresses: false,
  backing: false,
  probe: ({ head }) => (isLuks(head) ? 100 : 0),
  open: openLuks,
  create: createLuksImage,
  measure: measureLuks,
  edit: editLuks,
  amendOptions: luksAmendRows(''),
  amend: openForAmend,
};
