import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { libc } from '../../src/platform/node/libc.js';
import { openFile } from '../../src/platform/node/open-file.js';
import { describeWith } from '../support/judges.js';
import { rejection } from '../support/rejection.js';
import { scratchDirectory } from '../support/scratch.js';

const native = libc();

/** An empty disk; qemu-img locks raw images less strictly than others. */
function image(path: string): string {
  spawnSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '1M']);
  return path;
}

describeWith(['qemu-io', 'qemu-img'], 'locks between us and QEMU', () => {
  const scratch = scratchDirectory();
  let holder: ChildProcess | undefined;

  /** qemu-io with the image open, until the test ends. */
  async function holdWith(...args: string[]): Promise<void> {
    const child = spawn('qemu-io', ['-f', 'qcow2', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    holder = child;
    child.stdin.write('length\n');
    await new Promise((resolve) => child.stdout.once('data', resolve));
  }

  afterEach(async () => {
    const child = holder;
    holder = undefined;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.stdin?.end('quit\n');
    await ended;
  });

  it('an image that QEMU writes is read with -U only', async () => {
    const path = image(scratch('running.qcow2'));
    await holdWith(path);
    const expected = spawnSync('qemu-img', ['info', path], { encoding: 'utf8' }).stderr.trimEnd();
    const refused = await rejection(() => openFile(path, 'read'));
    expect(refused.code).toBe('locked');
    expect(`qemu-img: Could not open '${path}': ${refused.message}`).toBe(expected);
    const store = await openFile(path, 'read', { share: true });
    await store.read(0, new Uint8Array(512));
    await store.close();
  });

  it('an image that QEMU uses is not overwritten', async () => {
    const path = image(scratch('used.qcow2'));
    await holdWith('-r', path);
    const before = readFileSync(path);
    for (const mode of ['create', 'write'] as const) {
      const refused = await rejection(() => openFile(path, mode));
      expect(refused.message).toBe(`Failed to get "write" lock\nIs another process using the image [${path}]?`);
    }
    expect(readFileSync(path).equals(before)).toBe(true);
    await (await openFile(path, 'read')).close();
  });

  it('QEMU does not touch what we write, and reads what we read', async () => {
    const path = image(scratch('ours.qcow2'));
    const writing = await openFile(path, 'write');
    expect(spawnSync('qemu-img', ['info', path], { encoding: 'utf8' }).stderr).toContain(
      'Failed to get shared "write" lock',
    );
    expect(spawnSync('qemu-img', ['info', '-U', path]).status).toBe(0);
    await writing.close();
    const reading = await openFile(path, 'read');
    expect(spawnSync('qemu-img', ['info', path]).status).toBe(0);
    expect(spawnSync('qemu-io', ['-f', 'qcow2', '-c', 'write 0 512', path], { encoding: 'utf8' }).stderr).toContain(
      'Failed to get "write" lock',
    );
    await reading.close();
  });
});

describe.each(native === null ? [null] : [native, null])('locks among our own files (C library: %o)', (library) => {
  const scratch = scratchDirectory();
  const options = { libc: library };

  it('a file is not converted into itself', async () => {
    const path = scratch('self');
    writeFileSync(path, 'content');
    const source = await openFile(path, 'read', options);
    const other = await openFile(path, 'read', options);
    const refused = await rejection(() => openFile(path, 'create', options));
    expect(refused).toMatchObject({
      code: 'locked',
      message: `Failed to get "write" lock\nIs another process using the image [${path}]?`,
    });
    expect(readFileSync(path, 'utf8')).toBe('content');
    await source.close();
    await rejection(() => openFile(path, 'write', options));
    await other.close();
    await (await openFile(path, 'write', options)).close();
  });

  it('what is being written is read with share only', async () => {
    const path = scratch('written');
    const target = await openFile(path, 'create', options);
    const refused = await rejection(() => openFile(path, 'read', options));
    expect(refused.message).toContain('Failed to get shared "write" lock');
    await (await openFile(path, 'read', { ...options, share: true })).close();
    await rejection(() => openFile(path, 'write', { ...options, share: true }));
    await target.close();
    await (await openFile(path, 'read', options)).close();
  });
});
