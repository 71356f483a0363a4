/** The same command lines for `diskloom` and for `qemu-img`, to compare what comes of them but for `withoutAllocation`. */
import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';
import { builtCli } from './built-cli.js';

export interface ProgramResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface BothPrograms {
  ours(...args: string[]): Promise<ProgramResult>;
  theirs(...args: string[]): ProgramResult;
  /** Ours, which must end well and say nothing on stderr. */
  succeeds(...args: string[]): Promise<string>;
}

/** Both run in the directory of the suite; call it within `describe`. */
export function bothPrograms(scratch: (name: string) => string): BothPrograms {
  const cli = builtCli();
  const ours = async (...args: string[]) => {
    const { code, stdout, stderr } = await cli.run(args, { cwd: scratch('') });
    return { status: code, stdout: withoutAllocation(stdout), stderr };
  };
  return {
    ours,
    theirs(...args) {
      const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8', cwd: scratch('') });
      return { status, stdout: withoutAllocation(stdout), stderr };
    },
    async succeeds(...args) {
      const result = await ours(...args);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      return result.stdout;
    },
  };
}

/**
 * How many blocks a file has depends on when the system writes it back, and on how many pieces it found room
 * for it in: ext4 lists more than four pieces in a block of its own.
 */
export function withoutAllocation(text: string): string {
  return text.replace(/disk size: .*/g, 'disk size: *').replace(/"actual-size": \d+/g, '"actual-size": 0');
}
