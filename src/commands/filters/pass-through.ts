/** Filters that change nothing of what is read: `driver=throttle`, `driver=copy-on-read`. */
import { ImageError } from '../../errors.js';
import { storageOf } from '../graph.js';
import type { FilterDriver } from './filter.js';

export const throttle: FilterDriver = {
  name: 'throttle',
  async open(options) {
    const group = options.takeText('throttle-group');
    // There are no objects but secrets, and so no groups.
    throw group === undefined
      ? new ImageError('invalid', 'Please specify a throttle group')
      : new ImageError('not-found', `Throttle group '${group}' does not exist`);
  },
};

export const copyOnRead: FilterDriver = {
  name: 'copy-on-read',
  async open(options, context) {
    // It would have to write what it reads.
    if (!context.writable) throw new ImageError('denied', 'Block node is read-only');
    const bottom = options.takeText('bottom');
    if (bottom !== undefined) throw new ImageError('not-found', `Bottom node '${bottom}' not found`);
    const { node, store } = await context.openChild(options, 'file');
    return {
      kind: 'storage',
      storage: {
        store,
        driver: 'copy-on-read',
        fileName: null,
        options: {},
        allocated: storageOf(node).allocated,
        hasFlags: true,
      },
      children: [{ role: 'file', node }],
      filtered: node,
    };
  },
};
