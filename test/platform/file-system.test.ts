import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { fileSystemOf } from '../../src/platform/node/file-system.js';
import { openFile } from '../../src/platform/node/open-file.js';
import { scratchDirectory } from '../support/scratch.js';

describe.runIf(process.platform === 'linux')('the file system of a file', () => {
  const scratch = scratchDirectory();

  it('is what stat(1) says', () => {
    const { stdout } = spawnSync('stat', ['-f', '-c', '%T', scratch('')], { encoding: 'utf8' });
    const expected = { 'ext2/ext3': 'ext4', xfs: 'local', btrfs: 'local', tmpfs: 'local', overlayfs: 'local' };
    expect(fileSystemOf(scratch(''))).toBe(expected[stdout.trim() as keyof typeof expected] ?? 'distant');
  });

  it('may be distant where it is not known, or not there', () => {
    expect(fileSystemOf('/proc/self/status')).toBe('distant');
    expect(fileSystemOf(scratch('gone'))).toBe('distant');
  });

  it('decides how much is transferred at a time', async () => {
    const distant = await openFile('/proc/self/status', 'read', { libc: null });
    expect(distant.transfer).toBe(4 * 1024 * 1024);
    await distant.close();
    const local = await openFile(scratch('new'), 'create');
    if (fileSystemOf(scratch('new')) !== 'distant') expect(local.transfer).toBeLessThan(1024 * 1024);
    await local.close();
  });
});
