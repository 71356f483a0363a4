/** The thread pool's size follows from the files: one thread where nothing is waited for, sixteen where something may be. */
import { closeSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Libc, libc } from '../../src/platform/node/libc.js';
import { type PoolFile, ThreadPool } from '../../src/platform/node/thread-pool.js';
import { builtCli } from '../support/built-cli.js';
import { scratchDirectory } from '../support/scratch.js';

const MiB = 1024 * 1024;

describe('the size of the thread pool', () => {
  const scratch = scratchDirectory();
  let fd = -1;
  beforeAll(() => {
    writeFileSync(scratch('disk'), new Uint8Array(MiB).fill(1));
    fd = openSync(scratch('disk'), 'r');
  });
  afterAll(() => closeSync(fd));

  /** A file of which so many bytes are in memory; null: nobody knows. */
  const file = (cached: number | null, rest: Partial<PoolFile> = {}): PoolFile => ({
    fd,
    kind: 'regular',
    fileSystem: 'local',
    fresh: false,
    libc: cached === null ? null : ({ cachedBytes: () => cached } as unknown as Libc),
    isWritten: false,
    isDirect: false,
    ...rest,
  });
  const target = (rest: Partial<PoolFile> = {}) => file(null, { fresh: true, isWritten: true, ...rest });
  const sizeFor = (...files: PoolFile[]) => {
    const environment: NodeJS.ProcessEnv = {};
    const pool = new ThreadPool(environment);
    pool.fit();
    for (const each of files) pool.serves(each);
    return environment.UV_THREADPOOL_SIZE;
  };

  it('is one for a source in memory and a new file on a local file system', () => {
    expect(sizeFor(file(MiB), target())).toBe('1');
    expect(sizeFor(file(MiB), file(MiB, { isWritten: true }))).toBe('1');
  });

  it('is sixteen before a file is opened that is written', () => {
    expect(sizeFor()).toBe('16');
    expect(sizeFor(file(MiB))).toBe('16');
  });

  it.each<[string, () => PoolFile[]]>([
    ['a source that is not in memory', () => [file(MiB / 2), target()]],
    ['a source of which nobody knows', () => [file(null), target()]],
    ['a source of which the kernel does not tell', () => [file(-38), target()]],
    ['a source that is a device', () => [file(MiB, { kind: 'device' }), target()]],
    ['a source a network away, in memory or not', () => [file(MiB, { fileSystem: 'distant' }), target()]],
    ['a target past the page cache', () => [file(MiB), target({ isDirect: true })]],
    ['a target that is a device', () => [file(MiB), target({ kind: 'device', fresh: false })]],
    ['a target a network away', () => [file(MiB), target({ fileSystem: 'distant' })]],
    ['a second source that is not in memory', () => [file(MiB), target(), file(0)]],
  ])('is sixteen for %s', (_, files) => {
    expect(sizeFor(...files())).toBe('16');
  });

  it('is sixteen where the pool computes as well', () => {
    const environment: NodeJS.ProcessEnv = {};
    const pool = new ThreadPool(environment);
    pool.fit();
    pool.computes();
    pool.serves(target());
    expect(environment.UV_THREADPOOL_SIZE).toBe('16');
  });

  it('is what the user has chosen, and nothing changes in a process that others use', () => {
    const environment: NodeJS.ProcessEnv = { UV_THREADPOOL_SIZE: '3' };
    const pool = new ThreadPool(environment);
    pool.fit();
    pool.serves(file(0));
    pool.computes();
    expect(environment).toEqual({ UV_THREADPOOL_SIZE: '3' });
    const untouched: NodeJS.ProcessEnv = {};
    new ThreadPool(untouched).serves(file(0));
    new ThreadPool(untouched).computes();
    expect(untouched).toEqual({});
  });
});

describe('what is in memory of a file', () => {
  const scratch = scratchDirectory();

  it('is told by the kernel, where it can', ({ skip }) => {
    const calls = libc();
    if (calls === null) return skip('no C library');
    writeFileSync(scratch('sparse'), '');
    truncateSync(scratch('sparse'), 8 * MiB);
    writeFileSync(scratch('written'), new Uint8Array(3 * MiB).fill(1));
    const cached = ['sparse', 'written'].map((name) => {
      const fd = openSync(scratch(name), 'r');
      try {
        return calls.cachedBytes(fd);
      } finally {
        closeSync(fd);
      }
    });
    if (cached[0]! < 0) return skip('the kernel does not tell');
    expect(cached).toEqual([0, 3 * MiB]);
  });
});

describe('the program', () => {
  const scratch = scratchDirectory();
  const { run } = builtCli();
  const hook = `process.on('exit', () => {
    const threads = require('fs').readdirSync('/proc/self/task').length;
    console.log(JSON.stringify({ threads, size: process.env.UV_THREADPOOL_SIZE }));
  });`;

  const poolOf = async (args: readonly string[], environment: NodeJS.ProcessEnv = {}) => {
    writeFileSync(scratch('hook.cjs'), hook);
    writeFileSync(scratch('disk'), new Uint8Array(MiB).fill(1));
    const env = { ...process.env, ...environment };
    const { code, stdout } = await run(args, { node: ['--require', scratch('hook.cjs')], env });
    expect(code).toBe(0);
    return JSON.parse(stdout) as { threads: number; size: string };
  };

  it('fits the pool to its files before the pool has begun', async () => {
    const onDisk = ['convert', '-f', 'raw', '-O', 'raw', '-t', 'writethrough', scratch('disk'), scratch('copy')];
    const chosen = await poolOf(onDisk, { UV_THREADPOOL_SIZE: '5' });
    expect(chosen.size).toBe('5');
    expect(await poolOf(onDisk)).toEqual({ size: '16', threads: chosen.threads + 16 - 5 });
  });
});
