import { join } from 'node:path';
import { expect, test } from './fixtures.js';
import { diskloom, qemuImg, sameBytes } from './images.js';
import { convert } from './page.js';

for (const isolation of ['on', 'off'] as const) {
  test.describe(`isolation ${isolation}`, () => {
    test.use({ site: { folder: 'dist/web-app', isolation } });

    test('has shared memory or not, as it should', async ({ page }) => {
      expect(await page.evaluate(() => typeof SharedArrayBuffer)).toBe(isolation === 'on' ? 'function' : 'undefined');
    });

    test('raw to qcow2: the bytes that qemu-img and Node write', async ({ page, images }) => {
      const { folder, raw, qcow2 } = images;
      const result = await convert(page, folder, { source: raw, format: 'qcow2', name: `web-${isolation}.qcow2` });
      const byNode = join(folder, 'node.qcow2');
      diskloom('convert', '-O', 'qcow2', raw, byNode);
      expect(sameBytes(result, byNode)).toBe(true);
      expect(sameBytes(result, qcow2)).toBe(true);
      expect(qemuImg('check', result)).toContain('No errors were found');
    });

    test('qcow2 to raw: the disk that it was made of', async ({ page, images }) => {
      const { folder, raw, qcow2 } = images;
      const result = await convert(page, folder, { source: qcow2, format: 'raw', name: `plain-${isolation}.img` });
      expect(sameBytes(result, raw)).toBe(true);
    });

    test('compressed qcow2 to raw', async ({ page, images }) => {
      const { folder, raw, packed } = images;
      const result = await convert(page, folder, { source: packed, format: 'raw', name: `packed-${isolation}.img` });
      expect(sameBytes(result, raw)).toBe(true);
    });

    test('raw to compressed qcow2: the bytes that Node writes', async ({ page, images }) => {
      const { folder, raw } = images;
      const task = { source: raw, format: 'qcow2', name: `web-c-${isolation}.qcow2`, compress: true };
      const result = await convert(page, folder, task);
      const byNode = join(folder, 'node-c.qcow2');
      diskloom('convert', '-c', '-O', 'qcow2', raw, byNode);
      expect(sameBytes(result, byNode)).toBe(true);
      expect(qemuImg('compare', raw, result)).toContain('Images are identical');
      expect(qemuImg('check', result)).toContain('No errors were found');
    });
  });
}
