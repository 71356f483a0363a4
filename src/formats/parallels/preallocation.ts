/** Taking space in large pieces while an image grows: the options `prealloc-mode` and `prealloc-size`. */
import { ImageError } from '../../errors.js';
import type { AppendSpace } from '../../image/blocks/append-space.js';
import type { OptionTable, OptionValues } from '../../image/options.js';
import type { ByteStore } from '../../storage/storage.js';

export const runtimeOptions: OptionTable = [
  {
    name: 'prealloc-size',
    type: 'size',
    help: 'Bytes that the file grows by beyond what is needed',
    default: 128 * 1024 * 1024,
  },
  { name: 'prealloc-mode', type: 'text', help: 'How it grows: falloc, truncate', default: 'falloc' },
];

/** What the options say; null: the file grows as it is written. Throws `invalid`. */
export interface Preallocating {
  mode: 'falloc' | 'truncate';
  /** Bytes. */
  size: number;
}

/** Without any of the options there is nothing to gain: what is too much is given back at the end. */
export function preallocating(options: OptionValues): Preallocating | null {
  const { 'prealloc-mode': mode = 'falloc', 'prealloc-size': size = 128 * 1024 * 1024 } = options;
  if (mode !== 'falloc' && mode !== 'truncate') throw new ImageError('invalid', `invalid parameter value: ${mode}`);
  const isAsked = options['prealloc-mode'] !== undefined || options['prealloc-size'] !== undefined;
  return isAsked ? { mode, size: Number(size) } : null;
}

/** Lets the file grow ahead of `space`. */
export async function reserve(store: ByteStore, space: AppendSpace, { mode, size }: Preallocating): Promise<void> {
  if (store.size >= space.end) return;
  const end = space.end + size;
  if (mode === 'falloc' && store.preallocate !== undefined) await store.preallocate(end, 'falloc');
  else await store.truncate(end);
}
