/** What a crash leaves of a VDI image that is being changed: its header counts at least the blocks that its map has. */
import { expect, it } from 'vitest';
import { vdi } from '../../../src/formats/vdi/index.js';
import { MemoryStore } from '../../../src/storage/memory.js';
import { contextFor } from '../qcow2/writing.js';
import { buildVdi } from './build.js';

const MIB = 1024 * 1024;
const MAP_OFFSET = MIB / 2;

it('the header is written, and flushed, before the map', async () => {
  const store = new MemoryStore(
    'image.vdi',
    buildVdi({ type: 1, uuid: 'a', content: '1', blocks: [1, 'zero', 'zero'] }),
  );
  const events: string[] = [];
  const write = store.write.bind(store);
  store.write = (offset, bytes) => {
    if (offset <= MAP_OFFSET) events.push(offset === 0 ? 'header' : 'map');
    return write(offset, bytes);
  };
  store.flush = async () => {
    events.push('flush');
  };
  const image = await vdi.edit!(store, { compress: false, flush: true }, contextFor('image.vdi'));
  await image.write!(2 * MIB, new Uint8Array(1000).fill(7));
  await image.finish();
  expect(events).toEqual(['flush', 'header', 'flush', 'map', 'flush']);
});
