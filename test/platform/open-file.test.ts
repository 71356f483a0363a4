import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openFile } from '../../src/platform/node/open-file.js';
import { describeWith } from '../support/judges.js';
import { rejection } from '../support/rejection.js';
import { scratchDirectory } from '../support/scratch.js';

/** Runs `work` without the rights of root, which may do everything. */
async function unprivileged<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

describe('opening files', () => {
  const scratch = scratchDirectory();

  it('creates, and empties what is there', async () => {
    const created = await openFile(scratch('new'), 'create');
    expect(created).toMatchObject({ size: 0, readsZero: true, fixedSize: false });
    await created.close();
    writeFileSync(scratch('old'), 'content');
    const emptied = await openFile(scratch('old'), 'create');
    expect(emptied).toMatchObject({ size: 0, readsZero: true });
    expect(statSync(scratch('old')).size).toBe(0);
    await emptied.close();
  });

  it('says who may not', async () => {
    writeFileSync(scratch('secret'), 'x');
    chmodSync(scratch('secret'), 0);
    mkdirSync(scratch('locked'));
    chmodSync(scratch('locked'), 0o555);
    chmodSync(scratch('.'), 0o755);
    const secret = scratch('secret');
    for (const mode of ['read', 'write'] as const)
      expect(await unprivileged(() => rejection(() => openFile(secret, mode)))).toMatchObject({
        code: 'denied',
        message: `Could not open '${secret}': Permission denied`,
        file: secret,
      });
    const inside = scratch('locked/new');
    expect(await unprivileged(() => rejection(() => openFile(inside, 'create')))).toMatchObject({
      code: 'denied',
      message: `Could not create '${inside}': Permission denied`,
    });
  });

  it('says where direct I/O is impossible', async () => {
    const error = await rejection(() => openFile('/proc/version', 'read', { cache: 'none' }));
    expect(error.message).toBe("Could not open '/proc/version': filesystem does not support O_DIRECT");
  });
});

describe('discarding a target', () => {
  const scratch = scratchDirectory();

  it('removes what was created', async () => {
    const store = await openFile(scratch('a'), 'create');
    await store.write(0, new Uint8Array(10));
    expect(store.discard()).toBe('removed');
    await store.close();
    expect(existsSync(scratch('a'))).toBe(false);
  });

  it('empties what was overwritten, also through a link', async () => {
    writeFileSync(scratch('b'), 'before');
    symlinkSync(scratch('b'), scratch('link'));
    const store = await openFile(scratch('link'), 'create');
    await store.write(0, new Uint8Array(10));
    expect(store.discard()).toBe('emptied');
    await store.close();
    expect(statSync(scratch('b')).size).toBe(0);
  });

  it('leaves what is edited or read', async () => {
    writeFileSync(scratch('c'), 'before');
    for (const mode of ['write', 'read'] as const) {
      const store = await openFile(scratch('c'), mode);
      expect(store.discard()).toBe('left');
      await store.close();
    }
    expect(readFileSync(scratch('c'), 'utf8')).toBe('before');
  });

  it('leaves another file that has taken the name', async () => {
    const store = await openFile(scratch('d'), 'create');
    await store.write(0, new Uint8Array(10));
    spawnSync('mv', [scratch('d'), scratch('moved')]);
    writeFileSync(scratch('d'), 'not ours');
    expect(store.discard()).toBe('emptied');
    await store.close();
    expect(readFileSync(scratch('d'), 'utf8')).toBe('not ours');
    expect(statSync(scratch('moved')).size).toBe(0);
  });
});

describeWith(['qemu-img'], "refusals in qemu-img's words", () => {
  const scratch = scratchDirectory();

  /** What qemu-img says, and what the caller of `openFile` puts before its message. */
  function judge(args: string[], prefix: string): string {
    const { status, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8', timeout: 10_000 });
    expect(status).toBe(1);
    expect(stderr.startsWith(`qemu-img: ${prefix}`)).toBe(true);
    return stderr.slice(`qemu-img: ${prefix}`.length).trimEnd();
  }

  it.each(['missing', 'directory', 'file/below', 'missing/below'])('reading %s', async (name) => {
    mkdirSync(scratch('directory'), { recursive: true });
    writeFileSync(scratch('file'), 'x');
    const path = scratch(name);
    const expected = judge(['info', path], `Could not open '${path}': `);
    expect((await rejection(() => openFile(path, 'read'))).message).toBe(expected);
  });

  it.each(['missing', 'directory', 'fifo'])('editing %s', async (name) => {
    mkdirSync(scratch('directory'), { recursive: true });
    writeFileSync(scratch('file'), 'x');
    spawnSync('mkfifo', [scratch('fifo')]);
    const path = scratch(name);
    const expected = judge(['convert', '-n', '-f', 'raw', scratch('file'), path], `Could not open '${path}': `);
    expect((await rejection(() => openFile(path, 'write'))).message).toBe(expected);
  });

  it.each(['missing/below', 'directory', 'file/below', 'fifo'])('creating %s', async (name) => {
    mkdirSync(scratch('directory'), { recursive: true });
    writeFileSync(scratch('file'), 'x');
    spawnSync('mkfifo', [scratch('fifo')]);
    const path = scratch(name);
    const expected = judge(['convert', '-f', 'raw', scratch('file'), path], `${path}: error while converting raw: `);
    expect((await rejection(() => openFile(path, 'create'))).message).toBe(expected);
  });

  it('a FIFO as source, for which qemu-img would wait', async () => {
    spawnSync('mkfifo', [scratch('fifo')]);
    const path = scratch('fifo');
    const error = await rejection(() => openFile(path, 'read'));
    expect(error.message).toBe(`'file' driver requires '${path}' to be a regular file`);
  });
});
