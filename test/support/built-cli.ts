/** The program as users run it: bundled, in a process of its own. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'vite';
import { afterAll, beforeAll } from 'vitest';

export interface Outcome {
  /** null where a signal has ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** The most bytes that were ever resident (VmHWM). */
  peak: number;
}

export interface RunOptions extends SpawnOptions {
  /** Arguments of Node before the program: `['--max-old-space-size=64']`. */
  node?: readonly string[];
  /** A program and its arguments that run the whole: `['prlimit', '--fsize=1000000']`. */
  wrapper?: readonly string[];
  /** Told of the process as soon as it runs. */
  onStart?(child: ChildProcess): void;
  /** False: what it prints is counted, not kept. */
  keepOutput?: boolean;
}

/** At its end the program tells how much memory it had; on descriptor 3, which it does not use. */
const PEAK_HOOK = `data:text/javascript,${encodeURIComponent(`
  import { readFileSync, writeSync } from 'node:fs';
  process.on('exit', () => {
    try { writeSync(3, /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1]); } catch {}
  });
`)}`;

export interface BuiltCli {
  /** Where the program is. */
  readonly path: string;
  /** Runs `diskloom` with these arguments to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Outcome>;
}

/** Bundles the program for one suite; call it within `describe` or at the top of the file. */
export function builtCli(): BuiltCli {
  let directory = '';
  beforeAll(async () => {
    // Below the project, so that the program finds its optional packages.
    mkdirSync('build', { recursive: true });
    directory = mkdtempSync(resolve('build', 'cli-'));
    chmodSync(directory, 0o755);
    await build({ mode: 'cli', logLevel: 'error', build: { outDir: directory } });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return {
    get path() {
      return resolve(directory, 'cli.js');
    },
    run: (args, options) => runProgram(resolve(directory, 'cli.js'), args, options),
  };
}

function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { node = [], wrapper = [], onStart, keepOutput = true, ...spawnOptions } = options;
  const line = [...wrapper, process.execPath, '--import', PEAK_HOOK, ...node, program, ...args];
  const child = spawn(line[0]!, line.slice(1), { ...spawnOptions, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  onStart?.(child);
  const texts = ['', '', '', ''];
  for (const descriptor of [1, 2, 3] as const) {
    const stream = child.stdio[descriptor] as NodeJS.ReadableStream;
    stream.on('data', (chunk: Buffer) => {
      if (keepOutput || descriptor !== 1) texts[descriptor] += chunk.toString();
    });
  }
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => {
      done({ code, signal, stdout: texts[1]!, stderr: texts[2]!, peak: Number(texts[3]) * 1024 });
    });
  });
}
