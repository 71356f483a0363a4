/** The words for cache modes, as -t and -T take them. */
import { ImageError } from '../errors.js';
import type { CacheMode } from './platform.js';

const CACHE_MODES: { readonly [name: string]: CacheMode | undefined } = {
  none: 'none',
  off: 'none',
  writeback: 'writeback',
  writethrough: 'writethrough',
  directsync: 'directsync',
  unsafe: 'unsafe',
};

export const CACHE_MODE_NAMES: readonly string[] = Object.keys(CACHE_MODES);

export function isCacheMode(name: string): boolean {
  return CACHE_MODES[name] !== undefined;
}

/** Throws `Invalid WHAT: NAME`. */
export function cacheMode(what: string, name: string): CacheMode {
  const mode = CACHE_MODES[name];
  if (mode === undefined) throw new ImageError('invalid', `Invalid ${what}: ${name}`);
  return mode;
}
