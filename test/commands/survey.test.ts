import { existsSync, statSync, truncateSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { surveyImage } from '../../src/commands/inspect.js';
import { nodePlatform } from '../../src/platform/node/platform.js';
import { qemuImg, qemuIo } from '../support/qemu.js';
import { scratchDirectory } from '../support/scratch.js';

const MIB = 1024 * 1024;
const LARGEST_CLUSTER = 2 * MIB;

describe('where the data of an image end in its file', () => {
  const scratch = scratchDirectory();

  /** A disk of 64 MiB with 16 of data; returns its file. */
  function image(format: string): string {
    const raw = scratch('disk');
    if (!existsSync(raw)) {
      qemuImg('create', '-q', '-f', 'raw', raw, '64M');
      qemuIo(raw, 'raw', 'write -P 7 0 8M', 'write -P 8 40M 8M');
    }
    const file = scratch(`disk.${format}`);
    qemuImg('convert', '-f', 'raw', '-O', format, raw, file);
    return file;
  }

  async function endOf(name: string, format: string): Promise<number> {
    let end = 0;
    const request = { name, imageOptions: false, format, allowExternal: false, cells: 480 };
    await surveyImage(nodePlatform, request, (survey) => {
      end = survey.end;
      return true;
    });
    return end;
  }

  it.each(['raw', 'qcow2', 'qcow', 'qed', 'vdi', 'vhdx', 'vpc', 'vmdk', 'parallels'])(
    '%s: within it',
    async (format) => {
      const file = image(format);
      const end = await endOf(file, format);
      expect(end).toBeLessThanOrEqual(statSync(file).size);
      expect(end).toBeGreaterThanOrEqual(16 * MIB);
    },
  );

  it('beyond it, where it is cut off', async () => {
    const file = image('qcow2');
    truncateSync(file, 9 * MIB);
    expect(await endOf(file, 'qcow2')).toBeGreaterThan(9 * MIB + LARGEST_CLUSTER);
  });
});
