/** The verbs, in the order of the help. */
import { ImageError } from '../../errors.js';
import { amend } from './amend.js';
import { bitmap } from './bitmap.js';
import { check } from './check.js';
import { commit } from './commit.js';
import { compare } from './compare.js';
import { convert } from './convert.js';
import { create } from './create.js';
import { dd } from './dd.js';
import { info } from './info.js';
import { map } from './map.js';
import { measure } from './measure.js';
import { rebase } from './rebase.js';
import { resize } from './resize.js';
import { snapshot } from './snapshot.js';
import type { Verb } from './verb.js';

/** Verbs of `qemu-img` that diskloom does not have. */
const MISSING = ['bench'];

function missing(name: string): Verb {
  return {
    name,
    summary: 'Not there.',
    operands: '',
    options: [],
    run: () => Promise.reject(new ImageError('unsupported', `The command '${name}' is not supported by diskloom`)),
  };
}

/** The verbs that do something. */
export const availableVerbs: readonly Verb[] = [
  amend,
  bitmap,
  check,
  commit,
  compare,
  convert,
  create,
  dd,
  info,
  map,
  measure,
  rebase,
  resize,
  snapshot,
];

export const verbs: readonly Verb[] = [...availableVerbs, ...MISSING.map(missing)];
