/** The command line within the test's own process, where starting a program for every line would take most of the time. */
import { runCommandLine } from '../../src/cli/command-line.js';
import { nodePlatform } from '../../src/platform/node/platform.js';
import type { ProgramResult } from './both-programs.js';

type Write = typeof process.stdout.write;

/** Runs `diskloom` with these arguments in `directory`, one call at a time, and takes what it prints. */
export async function runInline(directory: string, ...args: string[]): Promise<ProgramResult> {
  const before = process.cwd();
  const texts = { stdout: '', stderr: '' };
  const capture = (name: 'stdout' | 'stderr') => {
    const { write } = process[name];
    process[name].write = ((piece: string | Uint8Array) => {
      texts[name] += typeof piece === 'string' ? piece : Buffer.from(piece).toString();
      return true;
    }) as Write;
    return () => {
      process[name].write = write;
    };
  };
  process.chdir(directory);
  const restore = [capture('stdout'), capture('stderr')];
  try {
    const status = await runCommandLine(args, nodePlatform);
    return { status, ...texts };
  } finally {
    for (const undo of restore) undo();
    process.chdir(before);
  }
}
