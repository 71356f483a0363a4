/** What a verb is to the command line. */
import type { Platform } from '../../commands/platform.js';
import type { DescribedOption } from '../options.js';

export interface ExitCode {
  readonly code: number;
  readonly meaning: string;
}

export interface Verb {
  readonly name: string;
  readonly summary: string;
  /** What follows the options, for the help. */
  readonly operands: string;
  readonly options: readonly DescribedOption[];
  /** Exit codes besides 0, all is well, and 1, it failed; or those that mean something else here. */
  readonly exitCodes?: readonly ExitCode[];
  /** What the help says after the options. */
  notes?(): string;
  /** Does the work and returns the exit code. Throws what is to be reported, for exit code 1. */
  run(args: readonly string[], platform: Platform): Promise<number>;
}
