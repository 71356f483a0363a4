/** The filters, by name. */
import { blkdebug } from './blkdebug.js';
import type { FilterDriver } from './filter.js';
import { copyOnRead, throttle } from './pass-through.js';
import { blkverify, quorum } from './replicas.js';

const FILTERS: readonly FilterDriver[] = [blkdebug, blkverify, quorum, throttle, copyOnRead];

/** The filter that `driver=` names. */
export function findFilter(name: string): FilterDriver | undefined {
  return FILTERS.find((filter) => filter.name === name);
}

/** The filter whose file names begin with this prefix. */
export function filterOfPrefix(prefix: string): FilterDriver | undefined {
  return FILTERS.find(({ name, parseName }) => name === prefix && parseName !== undefined);
}
