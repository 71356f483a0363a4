/** What an amendment leaves when it is interrupted, and what it makes of images that lie. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { qcow2 } from '../../../src/formats/qcow2/index.js';
import type { AmendableImage } from '../../../src/image/amend.js';
import type { OptionValues } from '../../../src/image/options.js';
import { describeWith } from '../../support/judges.js';
import { qemuImg, qemuIo } from '../../support/qemu.js';
import { scratchDirectory } from '../../support/scratch.js';
import { FaultStore } from './fault-store.js';
import { contextFor } from './writing.js';

describeWith(['qemu-img', 'qemu-io'], 'an image that is amended', () => {
  const file = scratchDirectory();

  /** Data, zeros with and without a place in the file, two snapshots that share tables. */
  function original(): Uint8Array {
    const path = file('original');
    writeFileSync(file('base'), new Uint8Array(1024 * 1024).fill(9));
    const backing = ['-b', file('base'), '-F', 'raw', '-o', 'cluster_size=512'];
    qemuImg('create', '-q', '-f', 'qcow2', ...backing, path, '2M');
    qemuIo(path, 'qcow2', 'write -P 1 0 100k', 'write -z 64k 20k', 'write -zu 200k 40k');
    qemuImg('snapshot', '-c', 'one', path);
    qemuIo(path, 'qcow2', 'write -P 2 20k 20k', 'write -z 30k 20k');
    qemuImg('snapshot', '-c', 'two', path);
    qemuIo(path, 'qcow2', 'write -z 300k 20k');
    return readFileSync(path);
  }

  const contents = (path: string) =>
    [[], ['-l', 'one'], ['-l', 'two']].map((which) => {
      qemuImg('convert', '-f', 'qcow2', ...which, '-O', 'raw', path, file('content'));
      return readFileSync(file('content'));
    });

  async function amend(store: FaultStore, options: OptionValues): Promise<void> {
    const context = contextFor(store.name);
    const image: AmendableImage = await qcow2.amend!(store, { compress: false, flush: true }, context);
    await image.amend({ options, force: false, onProgress: () => {} });
  }

  it.each<OptionValues>([{ compat: '0.10' }, { refcount_bits: 64 }, { refcount_bits: 2 }, { lazy_refcounts: true }])(
    'keeps all its content wherever it is interrupted: %o',
    async (options) => {
      const image = original();
      const expected = contents(file('original'));
      const whole = new FaultStore('image');
      whole.write(0, image);
      whole.changes = 0;
      await amend(whole, options);
      const step = Math.max(1, Math.floor(whole.changes / 20));
      for (let at = 1; at <= whole.changes; at += step) {
        const store = new FaultStore('image');
        store.write(0, image);
        store.changes = 0;
        store.breaksAt = at;
        await expect(amend(store, options)).rejects.toThrow('No space left on device');
        writeFileSync(file('broken'), store.bytes);
        const check = spawnSync('qemu-img', ['check', '-r', 'leaks', file('broken')], { encoding: 'utf8' });
        expect(check).toMatchObject({ status: 0 });
        for (const [index, content] of contents(file('broken')).entries())
          expect(Buffer.compare(content, expected[index]!)).toBe(0);
      }
    },
    120_000,
  );
});
