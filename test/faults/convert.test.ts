/** `diskloom convert` in a world that fails: one line that says why, exit code 1, and no target that looks finished. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Servers } from '../net/servers.js';
import { builtCli, type Outcome, type RunOptions } from '../support/built-cli.js';
import { describeWith } from '../support/judges.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

const MIB = 1024 * 1024;
/** A conversion at this rate of a source of so many bytes is under way for some seconds. */
const SLOWLY = ['-r', '2M'];
const SOURCE = 12 * MIB;

const scratch = scratchDirectory();
const cli = builtCli();

beforeAll(() => {
  const noise = new Random(1).bytes(MIB);
  const source = new Uint8Array(SOURCE);
  for (let at = 0; at < SOURCE; at += MIB) source.set(noise, at);
  writeFileSync(scratch('source.raw'), source);
});

/** It failed with this line; the target is not there. */
function expectFailure({ code, stderr }: Outcome, message: string | RegExp, target?: string): void {
  // The question that `qemu-img` asks on a line of its own belongs to the one before it.
  const lines = stderr
    .replace(/\nIs another process using.*\?\n$/, '')
    .trimEnd()
    .split('\n');
  expect(lines, stderr).toHaveLength(1);
  if (typeof message === 'string') expect(lines[0]).toBe(`qemu-img: ${message}`);
  else expect(lines[0]).toMatch(message);
  expect(code).toBe(1);
  if (target !== undefined) expect(existsSync(target)).toBe(false);
}

/** Waits until the target has some bytes: the conversion is under way. */
async function underWay(target: string): Promise<void> {
  while (!existsSync(target) || statSync(target).blocks === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Runs a slow conversion of `source.raw` and does something to it once it is under way. */
async function interrupted(
  args: readonly string[],
  target: string,
  act: (child: ChildProcess) => void | Promise<void>,
): Promise<Outcome> {
  let acted: Promise<void> | null = null;
  const onStart = (child: ChildProcess) => {
    acted = underWay(target).then(() => act(child));
  };
  const outcome = await cli.run(['convert', ...SLOWLY, ...args, target], { onStart });
  await acted;
  return outcome;
}

/** Of each format: what a failure looks like must not depend on it. */
const FORMATS = [
  ['raw', ['-O', 'raw']],
  ['qcow2', ['-O', 'qcow2']],
  ['qcow2, compressed', ['-c', '-O', 'qcow2']],
] as const;

describe('a disk that is full', () => {
  it.each(FORMATS)('by the limit of the process: %s', async (name, options) => {
    const target = scratch(`limited-${name}`);
    const wrapper = ['prlimit', `--fsize=${3 * MIB}`];
    const outcome = await cli.run(['convert', ...options, scratch('source.raw'), target], { wrapper });
    expectFailure(outcome, /File too large$/, target);
  });

  const mayMount = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;

  it.skipIf(!mayMount).each(FORMATS)('a small file system: %s', async (name, options) => {
    const directory = scratch(`small-${name}`);
    const list = scratch(`list-${name}`);
    mkdirSync(directory);
    const script =
      'mount -t tmpfs -o size=4m none "$0"; list=$1; shift; "$@"; code=$?; ls -A "$0" > "$list"; exit $code';
    const wrapper = ['unshare', '--mount', 'sh', '-c', script, directory, list];
    const target = `${directory}/target`;
    const outcome = await cli.run(['convert', ...options, scratch('source.raw'), target], { wrapper });
    expectFailure(outcome, /error while writing at byte \d+: No space left on device$/);
    expect(readFileSync(list, 'utf8')).toBe('');
  });

  it('a device that takes nothing', async () => {
    const outcome = await cli.run(['convert', '-O', 'raw', scratch('source.raw'), '/dev/full']);
    expectFailure(outcome, /^qemu-img: \/dev\/full: error while converting raw: /);
  });
});

describe('files that cannot be', () => {
  const source = () => scratch('source.raw');

  it('the source is missing', async () => {
    const outcome = await cli.run(['convert', scratch('missing'), scratch('new')]);
    const name = scratch('missing');
    const reason = `Could not open '${name}': No such file or directory`;
    expectFailure(outcome, `Could not open '${name}': ${reason}`, scratch('new'));
  });

  it("the target's directory is missing", async () => {
    const target = `${scratch('nowhere')}/new`;
    const outcome = await cli.run(['convert', '-O', 'qcow2', source(), target]);
    const reason = `Could not create '${target}': No such file or directory`;
    expectFailure(outcome, `${target}: error while converting qcow2: ${reason}`, target);
  });

  it('the target is a directory', async () => {
    mkdirSync(scratch('directory'));
    const outcome = await cli.run(['convert', '-O', 'qcow2', source(), scratch('directory')]);
    expectFailure(outcome, /Is a directory$/);
    expect(readdirSync(scratch('directory'))).toEqual([]);
  });

  it('the source is a directory', async () => {
    const outcome = await cli.run(['convert', scratch(''), scratch('new')]);
    expectFailure(outcome, /to be a regular file$/, scratch('new'));
  });

  it.each([
    ['by the same name', 'source.raw'],
    ['by a link', 'link.raw'],
  ])('source and target are one file, %s: it stays as it is', async (_, target) => {
    if (!existsSync(scratch('link.raw'))) symlinkSync(source(), scratch('link.raw'));
    const before = readFileSync(source());
    for (const format of ['raw', 'qcow2']) {
      const outcome = await cli.run(['convert', '-O', format, source(), scratch(target)]);
      expectFailure(outcome, /Failed to get "write" lock/);
      expect(readFileSync(source()).equals(before)).toBe(true);
    }
  });

  it('the target may not be made, the source not be read', async () => {
    const isRoot = process.geteuid?.() === 0;
    const wrapper = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
    const options: RunOptions = { wrapper };
    const closed = scratch('closed');
    mkdirSync(closed);
    writeFileSync(`${closed}/secret.raw`, 'secret', { mode: 0 });
    chmodSync(scratch(''), 0o755);
    chmodSync(closed, 0o555);
    const target = `${closed}/new`;
    expectFailure(await cli.run(['convert', source(), target], options), /Permission denied$/, target);
    expectFailure(await cli.run(['convert', `${closed}/secret.raw`, target], options), /Permission denied$/, target);
  });

  it('the source shrinks while it is read', async () => {
    const shrinking = scratch('shrinking.raw');
    writeFileSync(shrinking, readFileSync(source()));
    const target = scratch('shrunk');
    const outcome = await interrupted(['-m', '1', '-O', 'raw', shrinking], target, () =>
      truncateSync(shrinking, 4 * MIB),
    );
    expectFailure(outcome, /^qemu-img: error while reading at byte \d+: /, target);
  });
});

describe('signals', () => {
  const cases = FORMATS.flatMap(([name, options]) => [
    { name, options, signal: 'SIGINT' as const },
    { name, options, signal: 'SIGTERM' as const },
  ]);

  it.each(cases)('$signal, $name: the target is removed', async ({ name, options, signal }) => {
    const target = scratch(`${signal}-${name}`);
    const outcome = await interrupted([...options, scratch('source.raw')], target, (child) => void child.kill(signal));
    // A shell shows it as 130 and 143.
    expect(outcome).toMatchObject({ code: null, signal });
    expect(existsSync(target)).toBe(false);
  });

  it('SIGINT: a target that was there before stays, and is not a finished image', async () => {
    const target = scratch('old');
    const made = await cli.run(['convert', '-O', 'qcow2', scratch('source.raw'), target]);
    expect(made.code).toBe(0);
    truncateSync(target, 0);
    const outcome = await interrupted(
      ['-O', 'qcow2', scratch('source.raw')],
      target,
      (child) => void child.kill('SIGINT'),
    );
    expect(outcome.signal).toBe('SIGINT');
    expect(statSync(target).size).toBe(0);
  });

  it.each(FORMATS.slice(1))('SIGKILL, %s: what is left is not an image', async (name, options) => {
    const target = scratch(`killed-${name}`);
    const outcome = await interrupted(
      [...options, scratch('source.raw')],
      target,
      (child) => void child.kill('SIGKILL'),
    );
    expect(outcome.signal).toBe('SIGKILL');
    expect(readFileSync(target).subarray(0, 4)).toEqual(Buffer.alloc(4));
    const { code, stderr } = await cli.run(['info', '-f', 'qcow2', target]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `qemu-img: Could not open '${target}': Image is not in qcow2 format\n`,
    });
  });
});

describe('output that nobody reads', () => {
  const toFull = (...args: string[]): RunOptions & { args: string[] } => ({
    args: ['-c', 'exec "$@" > /dev/full', 'sh', ...args],
  });

  it('progress: the conversion succeeds', async () => {
    const target = scratch('unseen');
    const wrapper = ['sh', ...toFull().args];
    const outcome = await cli.run(['convert', '-p', '-O', 'qcow2', scratch('source.raw'), target], { wrapper });
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect((await cli.run(['info', target])).code).toBe(0);
  });

  it.each(['info', 'map'])('the output of %s: an error', async (verb) => {
    const wrapper = ['sh', ...toFull().args];
    const outcome = await cli.run([verb, '--output=json', scratch('source.raw')], { wrapper });
    expectFailure(outcome, 'error while writing to standard output: No space left on device');
  });

  it('a reader that goes away has seen what it wanted', async () => {
    const wrapper = ['sh', '-c', 'trap "" PIPE; { sleep 1; "$@"; echo $? >&2; } | true', 'sh'];
    const { stderr } = await cli.run(['info', scratch('source.raw')], { wrapper });
    expect(stderr).toBe('0\n');
  });
});

describe('a worker that dies', () => {
  /** Ends each thread when it is given its first work, which comes after the message that starts it; or lets none begin. */
  const sabotage = (line: string): RunOptions => ({
    node: [
      '--import',
      `data:text/javascript,${encodeURIComponent(
        `import threads from 'node:worker_threads'; const Sound = threads.Worker; threads.Worker = ${line};
         (await import('node:module')).syncBuiltinESMExports();`,
      )}`,
    ],
  });
  const DYING = `class extends Sound {
    messages = 0;
    postMessage(...all) { super.postMessage(...all); if (++this.messages === 2) this.terminate(); }
  }`;
  const UNBORN = "class { constructor() { throw new Error('no more threads'); } }";

  it.each([
    ['while it works', DYING],
    ['before it is born', UNBORN],
  ])('%s: an error, no target', async (when, line) => {
    const target = scratch(`workless ${when}`);
    const args = ['convert', '-c', '-O', 'qcow2', '-o', 'compression_level=12', scratch('source.raw'), target];
    const outcome = await cli.run(args, sabotage(line));
    expect(outcome.stderr).toMatch(/^qemu-img: .+\n$/);
    expect(outcome.code).toBe(1);
    expect(existsSync(target)).toBe(false);
  });
});

describeWith(['nbdkit'], 'network storage that fails', () => {
  let servers: Servers;
  beforeAll(() => {
    servers = new Servers();
  });
  afterAll(() => servers.stop());

  it('a source that cannot be read in places', async () => {
    const uri = await servers.nbdkit('--filter=error', 'pattern', '32M', 'error-pread=EIO', 'error-pread-rate=100%');
    const outcome = await cli.run(['convert', '-f', 'raw', '-O', 'qcow2', uri, scratch('new')]);
    expectFailure(outcome, /^qemu-img: (error while reading|Could not open).*: Input\/output error$/, scratch('new'));
  });

  it('a target that cannot be written', async () => {
    const uri = await servers.nbdkit(
      '--filter=error',
      'memory',
      '32M',
      'error-pwrite=ENOSPC',
      'error-pwrite-rate=100%',
    );
    const outcome = await cli.run(['convert', '-n', '-O', 'raw', scratch('source.raw'), uri]);
    expectFailure(outcome, /^qemu-img: error while writing at byte \d+: No space left on device$/);
  });

  it.each(['source', 'target'])('the server of the %s is killed', async (side) => {
    const served = servers.path(`${side}.raw`);
    writeFileSync(served, '');
    truncateSync(served, 64 * MIB);
    if (side === 'source') writeFileSync(served, readFileSync(scratch('source.raw')));
    const { uri, kill } = await servers.nbdkitProcess(servers.path(`${side}.sock`), ['file', served]);
    const target = scratch('dead');
    let killed: Promise<void> | null = null;
    const onStart = () => {
      killed = underWay(side === 'source' ? target : served).then(kill);
    };
    const names = side === 'source' ? ['-O', 'qcow2', uri, target] : ['-n', '-O', 'raw', scratch('source.raw'), uri];
    const outcome = await cli.run(['convert', ...SLOWLY, '-m', '1', '-f', 'raw', ...names], { onStart });
    await killed;
    expectFailure(outcome, /^qemu-img: error while (reading|writing) at byte \d+: /, target);
  });

  it('nobody answers', async () => {
    const uri = `nbd+unix:///?socket=${servers.path('nobody')}`;
    const outcome = await cli.run(['convert', '-O', 'raw', uri, scratch('new')]);
    const reason = `Failed to connect to '${servers.path('nobody')}': No such file or directory`;
    expectFailure(outcome, `Could not open '${uri}': ${reason}`, scratch('new'));
  });
});
