/** Bitmaps whose change is interrupted, and directories that lie. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { viewOf } from '../../../src/bytes.js';
import { qcow2 } from '../../../src/formats/qcow2/index.js';
import type { BitmapEditor } from '../../../src/image/bitmap-edit.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';
import { FaultStore } from './fault-store.js';
import { contextFor } from './writing.js';

describeWith(['qemu-img', 'qemu-io'], 'the bitmaps of an image', () => {
  const file = scratchDirectory();

  function original(): Uint8Array {
    const path = file('original');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', path, '4M');
    for (const name of ['one', 'two']) qemuImg('bitmap', '--add', '-g', '512', path, name);
    qemuIo(path, 'qcow2', 'write 1M 1M');
    return readFileSync(path);
  }

  const edit = (store: FaultStore): Promise<BitmapEditor> =>
    qcow2.editBitmaps!(store, { compress: false, flush: true }, contextFor(store.name));

  async function change(store: FaultStore): Promise<void> {
    const editor = await edit(store);
    editor.clearBitmap('one');
    editor.enableBitmap('one', false);
    editor.addBitmap('three', 4096);
    editor.mergeBitmap('three', { image: editor, name: 'two' });
    editor.removeBitmap('two');
    await editor.finish();
  }

  const names = (path: string): string[] => {
    const { data } = JSON.parse(qemuImg('info', '--output=json', path))['format-specific'];
    return data.bitmaps.map(({ name, flags }: { name: string; flags: string[] }) => [name, ...flags].join(' '));
  };

  it('are as before or as after a change, wherever it is interrupted', async () => {
    const image = original();
    const whole = new FaultStore('image');
    whole.write(0, image);
    whole.changes = 0;
    await change(whole);
    const outcomes = new Set<string>();
    for (let at = 1; at <= whole.changes; at++) {
      const store = new FaultStore('image');
      store.write(0, image);
      store.changes = 0;
      store.breaksAt = at;
      await expect(change(store)).rejects.toThrow('No space left on device');
      writeFileSync(file('broken'), store.bytes);
      expect(spawnSync('qemu-img', ['check', '-r', 'leaks', file('broken')]).status).toBe(0);
      outcomes.add(names(file('broken')).join());
    }
    expect([...outcomes].sort()).toEqual(['one auto,two auto', 'one,three auto']);
  }, 120_000);

  it('are removed also where their tables are damaged; what those point to stays', async () => {
    const image = original();
    const view = viewOf(image);
    const at = image.findIndex((_, index) => index % 4 === 0 && index > 72 && view.getUint32(index) === 0x23852875);
    const directory = Number(view.getBigUint64(at + 8 + 16));
    const store = new FaultStore('image');
    store.write(0, image);
    // The first bitmap's table lies beyond the end of the file, the second one's entries are no places.
    const second = directory + 24 + 8;
    const table = Number(view.getBigUint64(second));
    store.write(directory, new Uint8Array([0, 0, 0, 0x7f, 0, 0, 0, 0]));
    store.write(table, new Uint8Array(8).fill(0xff));
    for (const name of ['one', 'two']) {
      const editor = await edit(store);
      editor.removeBitmap(name);
      await editor.finish();
      writeFileSync(file('damaged'), store.bytes);
      if (name === 'one') expect((await edit(store)).bitmaps).toMatchObject([{ name: 'two', auto: true }]);
    }
    const { status, stdout } = spawnSync('qemu-img', ['check', file('damaged')], { encoding: 'utf8' });
    expect(status).toBe(3);
    expect(stdout).toContain('leaked clusters');
  });
});
