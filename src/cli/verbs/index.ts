/** The verbs, in the order of the help. */
import { amend } from './amend.js';
import { bench } from './bench.js';
import { bitmap } from './bitmap.js';
import { check } from './check.js';
import { commit } from './commit.js';
import { compare } from './compare.js';
import { completion } from './completion.js';
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

export const verbs: readonly Verb[] = [
  amend,
  bench,
  bitmap,
  check,
  commit,
  compare,
  completion,
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
