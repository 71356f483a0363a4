/** What becomes of a conversion when a signal comes: law 4, a partial target never looks finished. */
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { builtCli } from '../support/built-cli.js';
import { Random } from '../support/random.js';
import { scratchDirectory } from '../support/scratch.js';

const MIB = 1024 * 1024;
/** Of a file that the program has not touched yet. */
const OLD_SIZE = 12345;
/** Milliseconds; of two signals that come before the first is seen only one is left. */
const BETWEEN_SIGNALS = 1000;

describe('a conversion that is interrupted', () => {
  const scratch = scratchDirectory();
  const cli = builtCli();

  beforeAll(() => writeFileSync(scratch('disk'), new Random(1).bytes(16 * MIB)));

  /** Sends signals one after the other while a slow conversion goes on, as soon as `target` is there. */
  function interrupted(target: string, args: string[], ...signals: NodeJS.Signals[]) {
    return cli.run(['convert', '-r', '4M', ...args, scratch('disk'), scratch(target)], {
      onStart(child) {
        const timer = setInterval(() => {
          if (child.exitCode !== null || child.signalCode !== null) clearInterval(timer);
          const stats = statSync(scratch(target), { throwIfNoEntry: false });
          if (stats === undefined || stats.blocks === 0 || stats.size === OLD_SIZE) return;
          const next = signals.shift();
          if (next !== undefined) child.kill(next);
        }, BETWEEN_SIGNALS);
      },
    });
  }

  it.each([
    ['SIGINT', 'raw'],
    ['SIGTERM', 'qcow2'],
    ['SIGHUP', 'qcow2'],
  ] as const)('by %s dies of it and takes its %s target along', async (signal, format) => {
    const outcome = await interrupted(`${signal}.${format}`, ['-O', format], signal);
    expect(outcome).toMatchObject({ code: null, signal });
    expect(outcome.stderr).toBe('');
    expect(existsSync(scratch(`${signal}.${format}`))).toBe(false);
  });

  it('leaves an existing file that it was to overwrite empty', async () => {
    writeFileSync(scratch('old'), 'an old file');
    truncateSync(scratch('old'), OLD_SIZE);
    await interrupted('old', ['-O', 'qcow2'], 'SIGTERM');
    expect(readFileSync(scratch('old'))).toHaveLength(0);
  });

  it('by SIGUSR1 tells how far it is and goes on', async () => {
    const outcome = await interrupted('asked', [], 'SIGUSR1', 'SIGUSR1');
    expect(outcome).toMatchObject({ code: 0, stdout: '' });
    expect(outcome.stderr).toMatch(/^( {4}\(\d+\.\d\d\/100%\)\n){2}$/);
    expect(Buffer.compare(readFileSync(scratch('asked')), readFileSync(scratch('disk')))).toBe(0);
  });

  it('with -p takes no notice of SIGUSR1', async () => {
    const outcome = await interrupted('shown', ['-p'], 'SIGUSR1');
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/^( {4}\(\d+\.\d\d\/100%\)\r)+\n$/);
  });
});
