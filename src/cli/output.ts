/**
 * Standard output, which may be slow, closed or full.
 *
 * A failure is remembered and not thrown where it happens: what else the program does must come to its proper end. At
 * the exit it becomes the exit code, but not where the reader has gone away: it has seen what it wanted, as with
 * `qemu-img`, which ignores SIGPIPE. Progress is written without `print`, so a conversion whose progress nobody can read
 * succeeds all the same.
 */
import type { MaybePromise } from '../maybe.js';
import { systemError } from '../platform/node/errno.js';

let failure: NodeJS.ErrnoException | null = null;
let hasPrinted = false;

/** Call it once, before anything is printed. `complain` is told at the exit why the output is incomplete. */
export function guardOutput(complain: (message: string) => void): void {
  process.stdout.on('error', (error) => {
    failure ??= error;
  });
  process.stderr.on('error', () => {});
  process.on('exit', () => {
    if (failure === null || failure.code === 'EPIPE' || !hasPrinted || process.exitCode) return;
    process.exitCode = 1;
    complain(`error while writing to standard output: ${systemError(failure).message}`);
  });
}

export function print(text: string): void {
  hasPrinted = true;
  if (failure === null) process.stdout.write(text);
}

/**
 * Prints one of many pieces; done when the reader has room for the next one, so that text does not pile up here. False:
 * output has failed, nothing more is wanted.
 */
export function printPiece(text: string): MaybePromise<boolean> {
  print(text);
  if (failure !== null) return false;
  if (!process.stdout.writableNeedDrain) return true;
  return new Promise((resolve) => {
    const go = () => {
      process.stdout.removeListener('drain', go);
      process.stdout.removeListener('error', go);
      resolve(failure === null);
    };
    process.stdout.on('drain', go);
    process.stdout.on('error', go);
  });
}
