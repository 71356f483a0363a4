/** The qcow2 driver: versions 2 and 3 of QEMU's copy-on-write format. */
import { viewOf } from '../../bytes.js';
import type { ImageDriver, ProbeInput } from '../../image/driver.js';
import type { OptionRow, OptionTable } from '../../image/options.js';
import { DEFAULT_TABLE_MEMORY } from '../../image/table-cache.js';
import { amendQcow2 } from './amend/amend.js';
import { amendOptions } from './amend/options.js';
import { editBitmaps } from './bitmaps-edit.js';
import { openForCheck } from './check/check.js';
import { createQcow2 } from './create.js';
import { editQcow2 } from './edit.js';
import { MAGIC } from './layout.js';
import { measureQcow2 } from './measure.js';
import { openQcow2 } from './open.js';
import { createOptions } from './options.js';

const RUNTIME_OPTIONS: OptionTable = [
  { name: 'data-file', type: 'string', help: 'External data file, in place of the one that the image names' },
  { name: 'encrypt.format', type: 'text', help: 'Encryption that the image must have', default: '' },
  { name: 'encrypt.key-secret', type: 'text', help: 'ID of secret providing qcow2 AES key or LUKS passphrase' },
  { name: 'l2-cache-size', type: 'size', help: 'Bytes of L1 and L2 tables in memory', default: DEFAULT_TABLE_MEMORY },
  { name: 'l2-cache-entry-size', type: 'size', help: 'Bytes of a table that are read at once', default: '64k' },
  ...tuning('size', 'cache-size', 'refcount-cache-size'),
  ...tuning('number', 'cache-clean-interval'),
  ...tuning('bool', 'lazy-refcounts', 'discard-no-unref'),
  ...tuning('bool', 'pass-discard-request', 'pass-discard-snapshot', 'pass-discard-other'),
  ...tuning('text', 'overlap-check', 'overlap-check.template'),
];

/** What tunes QEMU's caches and checks has nothing to tune here: tables are held and checked in one way. */
function tuning(type: OptionRow['type'], ...names: readonly string[]): OptionTable {
  return names.map((name) => ({ name, type, help: 'Changes nothing here', default: '' }));
}

export const qcow2: ImageDriver = {
  name: 'qcow2',
  createOptions,
  runtimeOptions: RUNTIME_OPTIONS,
  compresses: true,
  backing: true,
  probe,
  open: openQcow2,
  create: createQcow2,
  measure: measureQcow2,
  check: openForCheck,
  edit: editQcow2,
  amendOptions,
  amend: amendQcow2,
  editBitmaps,
};

function probe({ head }: ProbeInput): number {
  // A header that is cut off is still one: opening it tells.
  if (head.length < 8) return 0;
  const view = viewOf(head);
  const isQcow2 = view.getUint32(0) === MAGIC && view.getUint32(4) >= 2;
  return isQcow2 ? 100 : 0;
}
