/** The program's names, its version, and how it speaks to the user. */
import { version } from '../../package.json';
import { ImageError } from '../errors.js';
import type { CheckEvents } from '../image/check.js';
import { UsageError } from './getopt.js';

/** Stands before every message: scripts and other people's tests compare whole lines. */
export const PROGRAM = 'qemu-img';

/** What the user types. */
export const COMMAND = 'diskloom';

/** The `qemu-img` whose texts are printed and whose options are all there. */
const COMPATIBLE_WITH = '10.0.2';

/** Scripts look for the version of `qemu-img` at its beginning. */
export function versionText(): string {
  return `${PROGRAM} version ${COMPATIBLE_WITH} (${COMMAND} ${version})\n`;
}

/** A message of several lines has the program's name before the first one only. */
export function printError(message: string): void {
  process.stderr.write(`${PROGRAM}: ${message}\n`);
}

export function printWarning(message: string): void {
  process.stderr.write(message.startsWith('WARNING') ? `${message}\n` : `${PROGRAM}: warning: ${message}\n`);
}

/** Prints what was found in an image as it is, and trouble as a message. */
export const printedEvents: CheckEvents = {
  onFinding: (line) => process.stderr.write(`${line}\n`),
  onTrouble: printError,
};

/** Prints what went wrong in `verb` (null: before there was one); anything but an `ImageError` is a bug and is shown whole. */
export function reportFailure(error: unknown, verb: string | null): void {
  if (error instanceof UsageError) {
    const name = verb === null ? PROGRAM : `${PROGRAM} ${verb}`;
    const line = error.fromGetopt ? `${name}: ${error.message}` : `${PROGRAM}: ${error.message}`;
    process.stderr.write(`${line}\nTry '${name} --help' for more info\n`);
  } else if (error instanceof ImageError) printError(error.message);
  else printError(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
