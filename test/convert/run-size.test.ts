import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { convertImage } from '../../src/convert/convert.js';
import { drivers } from '../../src/formats/index.js';
import type { ImageDriver } from '../../src/image/driver.js';
import { derivedIdentity } from '../../src/image/identity.js';
import { InlineKernels } from '../../src/kernels/inline.js';
import { nodeCryptography } from '../../src/platform/node/cryptography.js';
import { MemoryStore } from '../../src/storage/memory.js';
import { ModelImage } from '../support/model-image.js';

const KIB = 1024;
const module = new WebAssembly.Module(readFileSync('build/kernels.wasm'));

/** Data and gaps of every length, beginning anywhere. */
const source = new ModelImage(
  [40, 600, 130, 64, 2500, 70, 3000, 1024, 700, 4, 333].map((length, index) => ({
    kind: index % 2 === 0 ? 'unallocated' : 'data',
    length: length * KIB,
  })),
);

async function converted(driver: ImageDriver, runSize: number): Promise<Uint8Array> {
  const target = new MemoryStore('target');
  const kernels = new InlineKernels({ module, shared: false });
  const identity = derivedIdentity(nodeCryptography, 'a test');
  const openReference = async () => {
    throw new Error('no file is named');
  };
  const request = { size: source.size, options: {}, compress: false, flush: false };
  const writer = await driver.create!(target, request, { kernels, openReference, identity });
  const options = { parallel: 8, outOfOrder: false, sparse: 4096, targetBacking: null, runSize };
  await convertImage(source, writer, kernels, options);
  await writer.close();
  return target.bytes.slice();
}

describe('what a storage likes to transfer at a time does not change the image', () => {
  // What is encrypted is random.
  const written = drivers.filter(({ name, create }) => create !== undefined && name !== 'luks');
  for (const driver of written) {
    it(driver.name, async () => {
      const usual = await converted(driver, 256 * KIB);
      for (const runSize of [512 * KIB, 2048 * KIB, 8192 * KIB])
        expect(Buffer.compare(usual, await converted(driver, runSize)), `runs of ${runSize}`).toBe(0);
    });
  }
});
